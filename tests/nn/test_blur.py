"""What goes down in resolution sends flat gradients back."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from flatfield.core import Convolution, Window, unevenness
from flatfield.nn import (
    BlurConv1d,
    BlurConv2d,
    BlurPool1d,
    BlurPool2d,
    BlurPool3d,
    MaxBlurPool1d,
    MaxBlurPool2d,
    MaxBlurPool3d,
)
from flatfield.nn.blur import blur_kernel


def flat_gradient(layer, x, edge):
    """The gradient of the sum of a layer's outputs, away from the borders."""
    x = x.requires_grad_()
    (gradient,) = torch.autograd.grad(layer(x).sum(), x)
    return gradient[(..., *[slice(edge, -edge)] * (x.dim() - 2))]


@pytest.mark.parametrize("stride", [2, 3, 4])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_the_adjoint_gains_are_equal_by_core(stride, order):
    kernel = np.array(blur_kernel(stride, order))
    square = np.multiply.outer(kernel, kernel)[None, None]
    gains = Convolution(square, Window(2, stride=stride)).adjoint().gains()
    assert unevenness(gains) < 1e-15
    assert gains.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("padding_mode", ["reflect", "replicate", "zeros", "circular"])
@pytest.mark.parametrize(("kind", "dims"), [(BlurPool1d, 1), (BlurPool2d, 2), (BlurPool3d, 3)])
def test_the_gradient_of_blur_pooling_is_flat(kind, dims, padding_mode):
    layer = kind(2, padding_mode=padding_mode)
    gradient = flat_gradient(layer, torch.randn(1, 2, *[12] * dims, dtype=torch.float64), 4)
    assert (gradient - 0.5**dims).abs().max() < 1e-12


def test_a_plain_strided_convolution_sends_a_grid():
    gradient = flat_gradient(
        nn.Conv2d(1, 1, 3, stride=2, padding=1).double(), torch.randn(1, 1, 12, 12, dtype=torch.float64), 3
    )
    assert gradient.std() > 0.01 * gradient.abs().mean()


@pytest.mark.parametrize("stride", [2, 3, (2, 3)])
def test_a_blur_in_front_makes_it_flat(stride):
    layer = BlurConv2d(2, 3, 3, stride=stride, padding=1).double()
    gradient = flat_gradient(layer, torch.randn(1, 2, 24, 24, dtype=torch.float64), 8)
    assert (gradient - gradient[..., :1, :1]).abs().max() < 1e-12
    plain = nn.Conv2d(2, 3, 3, stride=stride, padding=1)
    plain.load_state_dict(layer.state_dict())
    x = torch.randn(1, 2, 24, 24)
    assert plain(x).shape == layer.float()(x).shape


def test_blur_conv_is_the_convolution_of_the_blurred():
    layer = BlurConv1d(1, 1, 3, stride=2, order=1)
    x = torch.randn(1, 1, 9)
    blurred = (x + nn.functional.pad(x, (0, 1), mode="reflect")[..., 1:]) / 2
    torch.testing.assert_close(layer(x), nn.functional.conv1d(blurred, layer.weight, layer.bias, stride=2))


def test_maxima_then_blur():
    x = torch.randn(1, 2, 9, 8)
    for kernel, padding in ((2, 0), (3, 1)):
        layer = MaxBlurPool2d(kernel, padding=padding)
        maxima = nn.functional.max_pool2d(x, kernel, stride=1, padding=padding)
        torch.testing.assert_close(layer(x), BlurPool2d()(maxima))
    assert MaxBlurPool1d()(torch.zeros(1, 1, 9)).shape == (1, 1, 4)
    assert MaxBlurPool3d()(torch.zeros(1, 1, 9, 9, 9)).shape == (1, 1, 4, 4, 4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: BlurPool2d(order=0), "order 0 is not a flatness order"),
        (lambda: BlurPool2d(0), "stride .0, 0. must be at least 1"),
        (lambda: BlurPool2d(padding_mode="mirror"), "padding_mode 'mirror' is unknown"),
        (lambda: BlurPool2d()(torch.zeros(1, 1, 2, 9)), "reflect padding .1, 2. does not fit a size of 2"),
        (lambda: BlurConv2d(1, 1, 3, stride=2, order=0), "order 0 is not a flatness order"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_settings_show():
    assert "order=3" in repr(BlurPool2d())
    assert "kernel_size=(3, 3)" in repr(MaxBlurPool2d(3))
    assert "order=2" in repr(BlurConv2d(1, 1, 3, stride=2))
