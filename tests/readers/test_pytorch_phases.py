"""The unevenness of a read layer is what its dense matrix says, and what a flat input shows at the real output."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flatfield.core import SubPixelConvolution, TransposedConvolution, Window, unevenness
from flatfield.network import Layer

from .torch_reading import Calling, noise, read

Floats = npt.NDArray[np.float64]
SIZE = {1: (9,), 2: (7, 6), 3: (6, 6, 6)}


def phase_means(response: Floats, stride: tuple[int, ...], margin: int) -> Floats:
    """Give (*stride, out, in) of the responses (in, out, *space) to one-hot flat inputs, away from the borders."""
    dims = len(stride)
    gains = np.zeros((*stride, response.shape[1], response.shape[0]))
    starts = [margin * s for s in stride]
    ends = [n - n % s - margin * s for n, s in zip(response.shape[2:], stride, strict=True)]
    assert all(end > start for start, end in zip(starts, ends, strict=True))
    for phase in np.ndindex(*stride):
        cut = tuple(slice(start + f, end, s) for start, f, end, s in zip(starts, phase, ends, stride, strict=True))
        part = response[(slice(None), slice(None), *cut)]
        assert np.ptp(part, axis=tuple(range(2, 2 + dims))).max() < 1e-5  # one value a phase: no border is in it
        gains[phase] = part.mean(axis=tuple(range(2, 2 + dims))).T
    return gains


def shown(module: nn.Module, layer: Layer, channels: int) -> Floats:
    """What flat inputs show at the module's output."""
    flats = torch.eye(channels).reshape(channels, channels, *(1,) * layer.dims).expand(-1, -1, *SIZE[layer.dims])
    with torch.no_grad():
        response = module(flats) - module(torch.zeros_like(flats))
    return phase_means(response.double().numpy(), layer.stride, 2)


def dense(layer: Layer, channels: int) -> Floats:
    """What the dense matrix makes of flat inputs."""
    assert layer.weight is not None
    weight = np.asarray(layer.weight.load(), dtype=np.float64)
    size, dims = SIZE[layer.dims], layer.dims
    linear: TransposedConvolution | SubPixelConvolution
    if layer.operator == "SubPixelConv":
        linear = SubPixelConvolution(weight, layer.stride, Window(dims, padding=layer.padding, dilation=layer.dilation))
        out, space = linear.channels, layer.output_size
    else:
        window = Window(dims, stride=layer.stride, padding=layer.padding, dilation=layer.dilation)
        linear = TransposedConvolution(weight, window, groups=layer.groups)
        out, space = weight.shape[1] * layer.groups, linear.output_size(size)
    flats = np.repeat(np.eye(channels), int(np.prod(size)), axis=1)
    response = (flats @ linear.as_matrix(size).T).reshape(channels, out, *space)
    return phase_means(response, layer.stride, 2)


def transposed(dims: int, kernel: int, stride: int, **settings: int) -> nn.Module:
    return (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)[dims - 1](4, 2, kernel, stride, **settings)


def by_views(x: Tensor) -> Tensor:
    b, c, h, w = x.shape
    return x.view(b, 2, 3, c // 6, h, w).permute(0, 3, 4, 1, 5, 2).reshape(b, c // 6, 2 * h, 3 * w)


def zeros_between(x: Tensor) -> Tensor:
    canvas = x.new_zeros(*x.shape[:2], 2 * x.shape[2], 2 * x.shape[3])
    canvas[:, :, ::2, ::2] = x
    return canvas


class Patches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(4, 12)

    def forward(self, x: Tensor) -> Tensor:
        b, _, h, w = x.shape
        y = self.head(x.permute(0, 2, 3, 1)).reshape(b, h, w, 2, 3, 2)
        return y.permute(0, 5, 1, 3, 2, 4).reshape(b, 2, 2 * h, 3 * w)


MODULES: dict[str, Callable[[], nn.Module]] = {
    "1-d 3/2": lambda: transposed(1, 3, 2, padding=1),
    "1-d 8/4": lambda: transposed(1, 8, 4, padding=2),
    "1-d 5/3, dilated": lambda: transposed(1, 3, 3, dilation=2),
    "2-d 3/2": lambda: transposed(2, 3, 2, output_padding=1),
    "2-d 4/2, grouped": lambda: transposed(2, 4, 2, padding=1, groups=2),
    "2-d 2/3": lambda: transposed(2, 2, 3),
    "3-d 3/2": lambda: transposed(3, 3, 2, padding=1),
    "pixel shuffle": lambda: nn.Sequential(nn.Conv2d(4, 8, 3, padding=1), nn.PixelShuffle(2)),
    "pixel shuffle, grouped": lambda: nn.Sequential(nn.Conv2d(4, 18, 3, padding=1, groups=2), nn.PixelShuffle(3)),
    "pixel shuffle by views": lambda: nn.Sequential(nn.Conv2d(4, 12, 3, padding=1), Calling(by_views)),
    "patches": Patches,
    "zeros between": lambda: nn.Sequential(Calling(zeros_between), nn.Conv2d(4, 4, 4, padding=2, groups=2)),
}  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("seed", range(4))
def test_unevenness_is_what_the_matrix_says_and_what_a_flat_input_shows(name: str, seed: int) -> None:
    torch.manual_seed(seed)
    module = MODULES[name]()
    (layer,) = read(module, noise(1, 4, *SIZE[2 if not name[0].isdigit() else int(name[0])])).layers
    assert layer.unevenness is not None
    assert layer.unevenness > 0.1
    assert layer.unevenness == pytest.approx(unevenness(dense(layer, 4)), rel=1e-6)
    assert layer.unevenness == pytest.approx(unevenness(shown(module, layer, 4)), rel=1e-4)


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic", "area", "nearest-exact"])
def test_interpolation_is_flat_in_truth(mode: str) -> None:
    module = Calling(lambda x: F.interpolate(x, scale_factor=2, mode=mode))
    (layer,) = read(module, noise(1, 4, 7, 6)).layers
    assert layer.unevenness == 0.0
    assert unevenness(shown(module, layer, 4)) < 1e-6


@pytest.mark.parametrize("order", ["repeat_interleave", "tile"])
def test_icnr_is_flat_in_the_right_order_only(order: str) -> None:
    module = nn.Sequential(nn.Conv2d(4, 8, 3, padding=1), nn.PixelShuffle(2))
    seedling = torch.randn(2, 4, 3, 3)
    with torch.no_grad():
        repeated = seedling.repeat_interleave(4, 0) if order == "repeat_interleave" else seedling.tile(4, 1, 1, 1)
        module[0].weight.copy_(repeated)
    (layer,) = read(module, noise(1, 4, 7, 6)).layers
    assert layer.unevenness is not None
    assert (layer.unevenness < 1e-6) == (order == "repeat_interleave")
    assert layer.unevenness == pytest.approx(unevenness(shown(module, layer, 4)), abs=1e-6)
