"""The nearest resize-convolution: the dense matrix of the transposed convolution is the truth."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from flatfield.cure.least_squares import Geometry, fit
from flatfield.cure.pytorch.sized import SizedResizeConv, conv_weight
from flatfield.network import Network
from flatfield.readers.pytorch import read_module

TRANSPOSED = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}


@st.composite
def layers(draw: st.DrawFn) -> nn.Module:
    """Transposed convolutions of every geometry that PyTorch takes, kernels below the stride included."""
    dims = draw(st.integers(1, 3))

    def numbers(low: int, high: int) -> tuple[int, ...]:
        return tuple(draw(st.integers(low, high)) for _ in range(dims))

    stride, dilation, kernel = numbers(1, 3), numbers(1, 2), numbers(1, 5 if dims < 3 else 3)
    padding = tuple(draw(st.integers(0, min(3, d * (k - 1)))) for d, k in zip(dilation, kernel, strict=True))
    extra = tuple(draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True))
    groups = draw(st.sampled_from((1, 2)))
    torch.manual_seed(draw(st.integers(0, 99)))
    return TRANSPOSED[dims](2, 4, kernel, stride, padding, extra, groups, draw(st.booleans()), dilation)


def geometry_of(layer: nn.Module) -> Geometry:
    return Geometry(layer.kernel_size, layer.stride, layer.padding, layer.output_padding, layer.dilation, layer.groups)


def replaced(layer: nn.Module) -> tuple[SizedResizeConv, float]:
    geometry = geometry_of(layer)
    fitted, left = fit(layer.weight.detach().numpy(), geometry)
    weight = conv_weight(torch.from_numpy(fitted).float(), geometry.groups)
    return SizedResizeConv(geometry, weight, layer.bias), left


@given(layers(), st.integers(3, 5))
@settings(max_examples=60, deadline=None)
def test_sizes_are_those_of_the_transposed_convolution(layer: nn.Module, size: int) -> None:
    x = torch.randn(1, 2, *(size + axis for axis in range(len(layer.stride))))
    try:
        wanted = layer(x)
    except RuntimeError:  # an output without positions
        return
    new, left = replaced(layer)
    assert new(x).shape == wanted.shape
    assert 0 <= left <= 1
    if wanted.numel():
        least = geometry_of(layer).output_size(tuple(x.shape[2:]), (0,) * len(layer.stride))
        sizes = [n + s - 1 for n, s in zip(least, layer.stride, strict=True)]
        assert new(x, output_size=sizes).shape == layer(x, output_size=sizes).shape


@given(layers(), st.integers(4, 5))
@settings(max_examples=40, deadline=None)
def test_what_is_a_resize_convolution_already_is_found_exactly(layer: nn.Module, size: int) -> None:
    """Weights that are some kernel convolved with a box of the stride leave nothing, and the function is the same."""
    geometry = geometry_of(layer)
    if set(geometry.dilation) != {1} or any(k < s for k, s in zip(geometry.taps, geometry.stride, strict=True)):
        return
    kernel = np.random.default_rng(0).normal(size=(*layer.weight.shape[:2], *geometry.kernel))
    for axis, s in enumerate(geometry.stride):
        kernel = np.apply_along_axis(np.convolve, axis + 2, kernel, np.ones(s))
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(kernel))
    x = torch.randn(2, 2, *(size + axis for axis in range(len(layer.stride))))
    new, left = replaced(layer)
    assert left < 1e-6
    assert torch.allclose(new(x), layer(x), atol=1e-4)


def test_the_fit_is_the_least_squares_solution() -> None:
    """Held against numpy's own solver on the dense matrix, two axes at once."""
    geometry = Geometry((4, 3), (2, 2), (1, 1), (0, 1), (1, 1))
    weight = np.random.default_rng(1).normal(size=(1, 1, 4, 3))
    columns = []
    for place in np.ndindex(geometry.kernel):
        unit = np.zeros(geometry.kernel)
        unit[place] = 1.0
        for axis in (0, 1):
            unit = np.apply_along_axis(np.convolve, axis, unit, np.ones(2))
        columns.append(unit.ravel())
    best, *_ = np.linalg.lstsq(np.stack(columns, axis=1), weight.ravel(), rcond=None)
    fitted, left = fit(weight, geometry)
    assert np.allclose(fitted.ravel(), best)
    again = np.stack(columns, axis=1) @ best
    assert left == pytest.approx(np.linalg.norm(again - weight.ravel()) / np.linalg.norm(weight))


def test_a_hole_is_filled() -> None:
    """Kernel 1, stride 3: two of three outputs were the bias alone; now all have the tap's third."""
    layer = nn.ConvTranspose1d(1, 1, 1, stride=3, output_padding=2, bias=False)
    nn.init.constant_(layer.weight, 3.0)
    new, left = replaced(layer)
    assert new(torch.ones(1, 1, 4)).flatten().tolist() == pytest.approx([1.0] * 11 + [0.0])
    assert left == pytest.approx((2 / 3) ** 0.5)


def test_an_output_size_that_can_not_be_had_is_refused() -> None:
    new, _ = replaced(nn.ConvTranspose2d(2, 4, 3, stride=2, padding=1))
    assert new(torch.zeros(1, 2, 4, 4), output_size=(8, 7)).shape == (1, 4, 8, 7)
    with pytest.raises(ValueError, match=r"output_size \(9, 7\) can't be had of \(1, 2, 4, 4\): least is \(7, 7\)"):
        new(torch.zeros(1, 2, 4, 4), output_size=(9, 7))


def test_common_geometries_take_the_fast_way() -> None:
    """3/2, 4/2 and 5/2 that exactly double need no upsampled picture: the reader sees one resize and a convolution."""
    for kernel, padding, extra in ((3, 1, 1), (4, 1, 0), (5, 2, 1), (2, 0, 0)):
        new, _ = replaced(nn.ConvTranspose2d(2, 4, kernel, 2, padding, extra))
        network: Network = read_module(nn.Sequential(new), (torch.zeros(1, 2, 6, 6),))
        assert new(torch.zeros(1, 2, 6, 6)).shape == (1, 4, 12, 12)
        assert max(layer.unevenness or 0.0 for layer in network.layers) < 1e-6
