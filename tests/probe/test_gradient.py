"""The backward probe: matrices transposed, the long way, and what max pooling does to the mean."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from flatfield.core import Convolution, TransposedConvolution, Window, phase_gains, unevenness
from flatfield.examples import load
from flatfield.probe.backward import Backward
from flatfield.probe.gradient import probe_gradient
from flatfield.probe.unhonoured import NoGridError


def gradient(module: nn.Module, x: torch.Tensor, arriving: torch.Tensor) -> torch.Tensor:
    leaf = x.clone().requires_grad_(True)
    mode = Backward()
    mode.flat = True  # this gradient is not to be flattened
    with mode:
        (found,) = torch.autograd.grad(module(leaf), leaf, arriving)
    return found


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation"), [(3, 2, 1, 1), (4, 2, 1, 1), (5, 3, 2, 1), (3, 1, 2, 2)]
)
def test_the_gradient_of_a_convolution_is_the_transposed_matrix(
    kernel: int, stride: int, padding: int, dilation: int
) -> None:
    module = nn.Conv2d(2, 3, kernel, stride, padding, dilation, bias=False).double()
    x = torch.randn(1, 2, 6, 6, dtype=torch.float64)
    window = Window(2, stride=stride, padding=padding, dilation=dilation)
    matrix = Convolution(module.weight.detach().numpy(), window).as_matrix((6, 6), torus=True)
    arriving = torch.randn(1, 3, 6 // stride, 6 // stride, dtype=torch.float64)
    found = gradient(module, x, arriving)
    np.testing.assert_allclose(found.numpy().ravel(), matrix.T @ arriving.numpy().ravel(), atol=1e-12)


def test_the_gradient_of_a_transposed_convolution_is_the_transposed_matrix() -> None:
    module = nn.ConvTranspose1d(2, 3, 5, 2, 2, 1, bias=False).double()
    x = torch.randn(1, 2, 4, dtype=torch.float64)
    layer = TransposedConvolution(module.weight.detach().numpy(), Window(1, stride=2, padding=2))
    arriving = torch.randn(1, 3, 8, dtype=torch.float64)
    found = gradient(module, x, arriving)
    matrix = layer.as_matrix((4,), torus=True)
    np.testing.assert_allclose(found.numpy().ravel(), matrix.T @ arriving.numpy().ravel(), atol=1e-12)


@pytest.mark.parametrize(("kernel", "padding"), [(3, 1), (3, 0), (2, 0), (5, 2)])
def test_one_strided_convolution_has_the_unevenness_of_its_gains(kernel: int, padding: int) -> None:
    torch.manual_seed(0)
    module = nn.Conv2d(1, 1, kernel, 2, padding, bias=False).double()
    report = probe_gradient(module, torch.ones(1, 1, 12, 12, dtype=torch.float64))
    assert report.unevenness == pytest.approx(unevenness(phase_gains(module.weight.detach().numpy(), 2)), abs=1e-12)
    assert report.period == (2, 2)


def test_a_stack_equals_the_long_way() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(2, 4, 3, 2, 1), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(4, 3, 3, 2, 1), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(3, 5),
    ).double()  # fmt: skip
    example = torch.rand(1, 2, 16, 16, dtype=torch.float64)
    report = probe_gradient(module, example)
    large = example.mean((2, 3), keepdim=True).expand(1, 2, 128, 128).clone().requires_grad_(True)
    module(large).sum().backward()
    assert large.grad is not None
    middle = large.grad[0, :, 64:72, 64:72].numpy()
    assert report.unevenness == pytest.approx(unevenness(np.moveaxis(middle, 0, -1)[..., None]), abs=1e-10)
    assert report.period == (8, 8)
    assert (report.inputs, report.variance_unevenness) == (1, None)


@pytest.mark.parametrize(
    "pad", [nn.ReflectionPad2d(1), nn.ReplicationPad2d((1, 0, 0, 1)), nn.ZeroPad2d((0, 1, 1, 1)), nn.CircularPad2d(1)]
)
def test_any_padding_shows_more_of_the_plane(pad: nn.Module) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(pad, nn.Conv2d(1, 2, 3, 2), nn.Tanh(), pad, nn.Conv2d(2, 2, 3, 2)).double()
    example = torch.rand(1, 1, 8, 8, dtype=torch.float64)
    report = probe_gradient(module, example)
    large = example.mean((2, 3), keepdim=True).expand(1, 1, 128, 128).clone().requires_grad_(True)
    module(large).sum().backward()
    assert large.grad is not None
    middle = large.grad[0, :, 64:68, 64:68].numpy()
    assert report.unevenness == pytest.approx(unevenness(np.moveaxis(middle, 0, -1)[..., None]), abs=1e-10)
    assert report.period == (4, 4)


def test_padding_of_channels_and_crops_stay_what_they_are() -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 2, 4, 2, 1).double()

    class Padded(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return conv(nn.functional.pad(x, (1, 1, 1, 1, 0, 1))[..., 1:-1, 1:-1])

    example = torch.rand(1, 2, 8, 8, dtype=torch.float64)
    bare = nn.Conv2d(2, 2, 4, 2, 1).double()
    bare.weight.data = conv.weight.data[:, :2]
    assert probe_gradient(Padded(), example).unevenness == pytest.approx(probe_gradient(bare, example).unevenness)


def test_max_pooling_is_measured_over_random_inputs() -> None:
    example = load("classifier")
    report = probe_gradient(example.module, example.inputs, random_inputs=8)
    assert report.inputs == 8
    assert report.unevenness > 0.5
    assert report.variance_unevenness is not None
    assert 0.1 < report.variance_unevenness < 1.0
    assert report.jittered is not None
    assert report.jittered < 0.7, "eight shifts of a random grid leave about 1 / sqrt(8) of it"
    assert probe_gradient(example.module, example.inputs, random_inputs=8) == report


def test_an_even_max_pool_is_even_on_average_and_not_in_its_variance_only_when_it_overlaps() -> None:
    torch.manual_seed(0)
    plain, overlapping = (
        probe_gradient(nn.MaxPool2d(k, 2, k // 3), torch.randn(1, 1, 16, 16), random_inputs=64) for k in (2, 3)
    )
    assert plain.unevenness < 0.1
    assert overlapping.unevenness > 0.1


def test_nothing_strides() -> None:
    with pytest.raises(NoGridError, match="no layer strides"):
        probe_gradient(nn.Conv2d(1, 1, 3, padding=1), torch.ones(1, 1, 8, 8))
    with pytest.raises(NoGridError, match="no input with positions"):
        probe_gradient(nn.Linear(3, 3), torch.ones(1, 3))
