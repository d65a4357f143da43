"""Every operator that PyTorch dispatches for a layer, in one to three dimensions."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flatfield.readers.pytorch import read_module

from .torch_reading import Between, Calling, middle_of, noise, only, read

SIZES = {1: (24,), 2: (12, 16), 3: (8, 6, 4)}
CONV = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize(
    "settings",
    [
        {"kernel_size": 3},
        {"kernel_size": 3, "stride": 2, "padding": 1, "groups": 2},
        {"kernel_size": 2, "dilation": 2, "bias": False},
    ],
)
def test_convolutions(dims: int, settings: dict[str, Any]) -> None:
    module = CONV[dims](4, 6, **settings)
    x = noise(1, 4, *SIZES[dims])
    layer = only(read(module, x), "Conv")
    assert (layer.kernel, layer.stride) == (module.kernel_size, module.stride)
    assert layer.padding == tuple((p, p) for p in module.padding)
    assert (layer.dilation, layer.groups, layer.weight_shape) == (module.dilation, module.groups, module.weight.shape)
    assert (layer.input_size, layer.output_size) == (x.shape[2:], module(x).shape[2:])
    assert layer.multiply_adds == module(x).numel() * module.weight[0].numel()
    assert (layer.bias is None) == (module.bias is None)
    assert layer.weight is not None
    assert (layer.weight.load() == module.weight.detach().numpy()).all()


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize(
    "settings",
    [
        {"kernel_size": 3, "stride": 2},
        {"kernel_size": 5, "stride": 3, "padding": 1, "output_padding": 2, "groups": 2, "dilation": 2},
        {"kernel_size": 2, "stride": 2, "bias": False},
    ],
)
def test_transposed_convolutions(dims: int, settings: dict[str, Any]) -> None:
    module = TRANSPOSED[dims](4, 6, **settings)
    x = noise(1, 4, *SIZES[dims])
    layer = only(read(module, x), "ConvTranspose")
    assert (layer.kernel, layer.stride, layer.dilation) == (module.kernel_size, module.stride, module.dilation)
    assert (layer.output_padding, layer.groups) == (module.output_padding, module.groups)
    assert (layer.input_size, layer.output_size) == (x.shape[2:], module(x).shape[2:])
    assert layer.multiply_adds == x.numel() * module.weight[0].numel()


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
def test_padding_modes(dims: int, mode: str) -> None:
    module = CONV[dims](4, 6, 3, padding=1, padding_mode=mode)
    layer = only(read(module, noise(1, 4, *SIZES[dims])), "Conv")
    assert (layer.padding_mode, layer.padding) == (mode, ((1, 1),) * dims)
    assert layer.input_size == layer.output_size == SIZES[dims]


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
def test_padding_that_keeps_the_size() -> None:
    assert only(read(nn.Conv2d(4, 4, 3, padding="same"), noise(1, 4, 8, 8)), "Conv").padding == ((1, 1), (1, 1))
    assert only(read(nn.Conv1d(4, 4, 4, padding="same"), noise(1, 4, 8)), "Conv").padding == ((1, 2),)


def test_padding_in_front_of_a_layer_is_that_layers() -> None:
    padded = nn.Sequential(nn.ZeroPad2d((1, 2, 3, 4)), nn.Conv2d(4, 4, 3, padding=1))
    assert only(read(padded, noise(1, 4, 8, 8)), "Conv").padding == ((4, 5), (2, 3))


@pytest.mark.parametrize(
    ("dims", "mode", "named", "reach"),
    [
        (1, "nearest", "nearest", 1),
        (1, "linear", "linear", 2),
        (1, "nearest-exact", "nearest-exact", 1),
        (1, "area", "area", 1),
        (2, "nearest", "nearest", 1),
        (2, "bilinear", "linear", 2),
        (2, "bicubic", "cubic", 4),
        (2, "nearest-exact", "nearest-exact", 1),
        (2, "area", "area", 1),
        (3, "nearest", "nearest", 1),
        (3, "trilinear", "linear", 2),
        (3, "nearest-exact", "nearest-exact", 1),
        (3, "area", "area", 1),
    ],
)
def test_interpolation(dims: int, mode: str, named: str, reach: int) -> None:
    layer = middle_of(Between(partial(F.interpolate, scale_factor=2, mode=mode), dims), SIZES[dims])
    assert (layer.operator, layer.mode, layer.stride) == ("Resize", named, (2,) * dims)
    assert layer.kernel == (2 * reach,) * dims
    assert layer.unevenness == 0.0


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_interpolation_downwards_and_by_no_whole_factor(mode: str) -> None:
    smaller = partial(F.interpolate, size=(8, 8), mode=mode, antialias=True)
    layer = middle_of(Between(smaller), (12, 16))
    assert (layer.operator, layer.stride, layer.scale) == ("Resize", (1, 1), (Fraction(2, 3), Fraction(1, 2)))


@pytest.mark.parametrize(
    ("module", "kernel", "stride", "mode"),
    [
        (nn.AvgPool1d(2), (2,), (2,), "average"),
        (nn.AvgPool2d(3, 2, padding=1), (3, 3), (2, 2), "average"),
        (nn.AvgPool3d(2), (2, 2, 2), (2, 2, 2), "average"),
        (nn.MaxPool1d(3, 2), (3,), (2,), "max"),
        (nn.MaxPool2d((2, 1)), (2, 1), (2, 1), "max"),
        (nn.MaxPool3d(2), (2, 2, 2), (2, 2, 2), "max"),
        (nn.AdaptiveAvgPool1d(8), (3,), (3,), "average"),
        (nn.AdaptiveAvgPool2d((6, 4)), (2, 4), (2, 4), "average"),
        (nn.AdaptiveAvgPool3d(2), (4, 3, 2), (4, 3, 2), "average"),
        (nn.AdaptiveMaxPool1d(12), (2,), (2,), "max"),
        (nn.AdaptiveMaxPool2d(4), (3, 4), (3, 4), "max"),
        (nn.AdaptiveAvgPool2d(5), (3, 4), (2, 3), "adaptive average"),
        (nn.LPPool1d(2, 2), (2,), (2,), "average"),
        (nn.LPPool2d(2, 2), (2, 2), (2, 2), "average"),
    ],
)
def test_pools(module: nn.Module, kernel: tuple[int, ...], stride: tuple[int, ...], mode: str) -> None:
    layer = middle_of(Between(module, len(kernel)), SIZES[len(kernel)])
    assert (layer.operator, layer.kernel, layer.stride, layer.mode) == ("Pool", kernel, stride, mode)


@pytest.mark.parametrize("module", [nn.AvgPool1d(2), nn.MaxPool1d(2), nn.AdaptiveAvgPool1d(4)])
def test_a_sound_pooled_right_at_the_input_has_one_dimension(module: nn.Module) -> None:
    layer = only(read(nn.Sequential(module, nn.Conv1d(4, 4, 3)), noise(1, 4, 8)), "Pool")
    assert (layer.stride, layer.input_size, layer.output_size) == ((2,), (8,), (4,))


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_unpooling(dims: int) -> None:
    pool = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)[dims - 1](2, return_indices=True)
    unpool = (nn.MaxUnpool1d, nn.MaxUnpool2d, nn.MaxUnpool3d)[dims - 1](2)
    layer = only(read(lambda x: unpool(*pool(x)), noise(1, 4, *SIZES[dims])), "Unpool")
    assert (layer.stride, layer.output_size, layer.unevenness) == ((2,) * dims, SIZES[dims], None)
    assert layer.inputs == (("max_pool2d_with_indices",) if dims < 3 else ("max_pool3d_with_indices",))


def test_windows_and_back() -> None:
    windows = {"kernel_size": 4, "stride": 2, "padding": 1}
    network = read(nn.Sequential(nn.Unfold(**windows), nn.Fold((12, 16), **windows)), noise(1, 4, 12, 16))
    unfold, fold = network.layers
    assert (unfold.operator, unfold.kernel, unfold.stride, unfold.output_size) == ("Unfold", (4, 4), (2, 2), (6, 8))
    assert (fold.operator, fold.kernel, fold.stride, fold.output_size) == ("Fold", (4, 4), (2, 2), (12, 16))
    assert (fold.overlap == 4).all()
    assert fold.inputs == (unfold.name,)


def test_sliding_windows_of_a_tensor() -> None:
    apart = read(Between(lambda x: x.unfold(2, 2, 2).unfold(3, 2, 2).amax((-1, -2))), noise(1, 4, 8, 8))
    assert [layer.name for layer in apart.layers] == ["before", "after"]
    layer = middle_of(Between(lambda x: x.unfold(2, 3, 1).mean(-1)), (8, 8))
    assert (layer.operator, layer.kernel, layer.stride, layer.output_size) == ("Unfold", (3, 1), (1, 1), (6, 8))


def test_strided_slices() -> None:
    network = read(Between(lambda x: x[:, :, 1::2, ::3]), noise(1, 4, 12, 12))
    assert [layer.stride for layer in network.layers[1:3]] == [(2, 1), (1, 3)]
    assert {layer.operator for layer in network.layers[1:3]} == {"Slice"}
    assert network.layers[-1].inputs == (network.layers[2].name,)
    cropped = read(Between(lambda x: x[:, :, 1:-1, 2:]), noise(1, 4, 12, 12))
    assert [layer.operator for layer in cropped.layers] == ["Conv", "Conv"]


def test_focus_layers() -> None:
    def focus(x: Tensor) -> Tensor:
        return torch.cat([x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2]], 1)

    network = read(Between(focus, out=16), noise(1, 4, 8, 8))
    assert [layer.operator for layer in network.layers] == ["Conv", *["Slice"] * 8, "Conv"]
    assert network.layers[-1].input_size == (4, 4)
    assert len(network.layers[-1].inputs) == 4


def keeps_positions() -> list[Callable[[Tensor], Tensor]]:
    norms = [nn.BatchNorm2d(4), nn.GroupNorm(2, 4), nn.InstanceNorm2d(4), nn.LayerNorm(12), nn.RMSNorm(12)]
    others = [nn.PReLU(4), nn.Hardswish(), nn.LogSigmoid(), nn.Dropout2d(), nn.ChannelShuffle(2), nn.Softmax2d()]
    functions: list[Callable[[Tensor], Tensor]] = [
        lambda x: F.relu_(x).mul_(2).add_(1),
        lambda x: x[:, [3, 2, 1, 0]],
        lambda x: x.index_select(1, torch.tensor([0, 2, 1, 3])),
        lambda x: x.gather(1, torch.zeros(1, 4, 12, 12, dtype=torch.long)),
        lambda x: x.topk(4, dim=1).values,
        lambda x: x.flip(-1).roll(3, -2),
        lambda x: torch.cat(x.chunk(2, 1)[::-1], 1),
        lambda x: x * torch.sigmoid(x.mean((2, 3), keepdim=True)),
        lambda x: x.to(memory_format=torch.channels_last),
        lambda x: torch.einsum("bchw,dc->bdhw", x, torch.ones(4, 4)),
        lambda x: x.rot90(1, (2, 3)),
    ]
    return [*norms, *others, *functions]


@pytest.mark.parametrize("place", range(len(keeps_positions())))
def test_what_keeps_positions_is_no_layer(place: int) -> None:
    network = read(Between(keeps_positions()[place]).eval(), noise(1, 4, 12, 12))
    assert [layer.name for layer in network.layers] == ["before", "after"]
    assert network.layers[1].inputs == ("before",)


@pytest.mark.parametrize(
    ("function", "operator"),
    [
        (lambda x: torch.fft.fft2(x).real, "_fft_c2c"),
        (lambda x: F.grid_sample(x, F.affine_grid(torch.eye(2, 3)[None], list(x.shape))), "grid_sampler_2d"),
        (lambda x: x[:, :, [0, 3, 1]], "index"),
        (nn.FractionalMaxPool2d(2, output_ratio=0.5), "fractional_max_pool2d"),
        (lambda x: x.index_select(2, torch.tensor([1, 0])), "index_select"),
        (lambda x: torch.as_strided(x, (1, 4, 3, 3), (400, 64, 16, 2)), "as_strided"),
    ],
)
@pytest.mark.filterwarnings("ignore:Default grid_sample")
def test_what_moves_positions_otherwise_is_unread(function: Callable[[Tensor], Tensor], operator: str) -> None:
    network = read_module(Between(function), (noise(1, 4, 8, 8),))
    assert operator in {note.operator for note in network.unread}
    assert [note.name for note in network.unread] == sorted({note.name for note in network.unread})
    assert network.layers[-1].inputs == ("before",)


@pytest.mark.filterwarnings("ignore:stft with return_complex")
def test_short_time_spectra_are_unread() -> None:
    window = torch.hann_window(8)
    module = Calling(lambda x: torch.istft(torch.stft(x, 8, window=window, return_complex=True), 8, window=window))
    network = read_module(module, (noise(1, 64),))
    assert {"_fft_r2c", "_fft_c2r"} <= {note.operator for note in network.unread}


def test_complex_numbers_are_followed_through_what_is_made_of_them() -> None:
    module = nn.Conv2d(2, 2, 3, dtype=torch.complex64)
    network = read_module(module, (torch.complex(noise(1, 2, 6, 6), noise(1, 2, 6, 6)),))
    assert {layer.operator for layer in network.layers} == {"Conv"}
