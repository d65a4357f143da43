"""Sub-pixel convolution in PyTorch's channel order, and ICNR."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from flatfield.core import SubPixelConvolution, TransposedConvolution, Window, unevenness
from flatfield.nn import SubPixelConv1d, SubPixelConv2d, SubPixelConv3d, icnr_


def test_it_is_a_convolution_and_a_pixel_shuffle():
    layer = SubPixelConv2d(3, 2, 3, scale_factor=3, icnr=False)
    x = torch.randn(2, 3, 5, 4)
    expected = F.pixel_shuffle(F.conv2d(x, layer.weight, layer.bias, padding=1), 3)
    torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize(
    ("kind", "size", "scale"),
    [(SubPixelConv1d, (5,), (3,)), (SubPixelConv2d, (3, 4), (2, 3)), (SubPixelConv3d, (2, 3, 2), (2, 1, 2))],
)
def test_it_is_the_dense_matrix_of_core(kind, size, scale):
    layer = kind(2, 3, 3, scale_factor=scale, bias=False, icnr=False).double()
    dense = SubPixelConvolution(layer.weight.detach().numpy(), scale, Window(len(size), padding=1)).as_matrix(size)
    x = torch.randn(1, 2, *size, dtype=torch.float64)
    np.testing.assert_allclose(layer(x).detach().numpy().ravel(), dense @ x.numpy().ravel(), atol=1e-12)


@pytest.mark.parametrize(("kind", "dims"), [(SubPixelConv1d, 1), (SubPixelConv2d, 2), (SubPixelConv3d, 3)])
def test_icnr_starts_as_nearest_interpolation_of_a_convolution(kind, dims):
    layer = kind(3, 2, 3, scale_factor=2)
    known = SubPixelConvolution(layer.weight.detach().numpy(), layer.scale, Window(dims))
    assert unevenness(known.gains()) < 1e-15  # the rounding of a mean of equal numbers
    x = torch.randn(1, 3, *[4] * dims)
    low = getattr(F, f"conv{dims}d")(x, layer.weight[:: 2**dims], layer.bias[:: 2**dims], padding=1)
    torch.testing.assert_close(layer(x), F.interpolate(low, scale_factor=2, mode="nearest"))


def test_without_icnr_it_starts_uneven():
    layer = SubPixelConv2d(3, 2, 3, icnr=False)
    known = SubPixelConvolution(layer.weight.detach().numpy(), layer.scale, Window(2))
    assert unevenness(known.gains()) > 0.1


def test_icnr_in_the_wrong_channel_order_would_not_be_flat():
    """tile() instead of repeat_interleave(), the common mistake: phases differ."""
    weight = torch.randn(2, 3, 3, 3)
    wrong = SubPixelConvolution(weight.repeat(4, 1, 1, 1).numpy(), (2, 2), Window(2))
    right = icnr_(weight.repeat(4, 1, 1, 1), 2)
    assert unevenness(wrong.gains()) > 0.1
    assert unevenness(SubPixelConvolution(right.numpy(), (2, 2), Window(2)).gains()) == 0.0


def test_icnr_evens_the_bias_and_keeps_the_distribution():
    weight, bias = torch.randn(8, 5, 3, 3), torch.randn(8)
    first = weight[::4].clone()
    assert icnr_(weight, 2, bias=bias) is weight
    torch.testing.assert_close(weight[::4], first)
    assert bias.view(2, 4).std(dim=1).max() == 0.0


def test_icnr_of_a_transposed_convolution():
    layer = torch.nn.ConvTranspose2d(3, 2, (4, 6), stride=(2, 3))
    icnr_(layer.weight, (2, 3), transposed=True)
    known = TransposedConvolution(layer.weight.detach().numpy(), Window(2, stride=(2, 3)))
    assert unevenness(known.gains()) < 1e-7
    small = layer.weight[..., ::2, ::3].flip(2, 3).transpose(0, 1)
    x = torch.randn(1, 3, 5, 5)
    low = F.conv2d(x, small, layer.bias, padding=1)
    torch.testing.assert_close(layer(x), F.interpolate(low, scale_factor=(2, 3)))


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((6, 1, 3, 3), {}, "6 channels can't be shuffled by .2, 2.: not a multiple of 4"),
        ((1, 1, 3, 3), {"transposed": True}, "kernel .3, 3. is not a multiple of the stride .2, 2."),
    ],
)
def test_icnr_errors(shape, options, message):
    with pytest.raises(ValueError, match=message):
        icnr_(torch.zeros(shape), 2, **options)


def test_the_blur_takes_out_every_grid():
    for scale in (2, 3, (2, 3)):
        layer = SubPixelConv2d(2, 1, 3, scale_factor=scale, icnr=False, blur=True)
        y = layer(torch.ones(1, 2, 8, 8))[..., 6:-6, 6:-6]
        assert (y - y.mean()).abs().max() < 1e-6
        assert layer(torch.ones(1, 2, 8, 8)).shape == SubPixelConv2d(2, 1, 3, scale)(torch.ones(1, 2, 8, 8)).shape


def test_settings_show():
    text = repr(SubPixelConv2d(4, 2, 3, groups=2, bias=False, blur=True))
    assert "groups=2" in text
    assert "blur=True" in text
