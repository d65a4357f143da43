"""Flat weights are flat, stay flat in training, and are the nearest ones that core finds."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from flatfield.core import (
    Interpolation,
    SubPixelConvolution,
    TransposedConvolution,
    Window,
    flat_weights,
    fold,
    unevenness,
)
from flatfield.nn import (
    FlatConvTranspose1d,
    FlatConvTranspose2d,
    FlatConvTranspose3d,
    SubPixelConv1d,
    SubPixelConv2d,
    bake,
    flatten_weights,
)

LAYERS = {1: FlatConvTranspose1d, 2: FlatConvTranspose2d, 3: FlatConvTranspose3d}


def gains(layer):
    window = Window(len(layer.stride), stride=layer.stride, dilation=layer.dilation)
    return TransposedConvolution(layer.weight.detach().double().numpy(), window, groups=layer.groups).gains()


def train(layer, x, steps=20):
    optimiser = torch.optim.Adam(layer.parameters(), lr=0.05)
    target = torch.randn_like(layer(x))
    for _ in range(steps):
        optimiser.zero_grad()
        (layer(x) - target).square().mean().backward()
        optimiser.step()


@pytest.mark.parametrize(("kernel", "stride"), [(4, 2), (3, 2), (5, 3), (6, 4), (7, 2)])
@pytest.mark.parametrize("dims", [1, 2])
@pytest.mark.parametrize("at", ["points", "lines"])
def test_a_flat_input_stays_flat_whatever_the_training(dims, kernel, stride, at):
    layer = LAYERS[dims](3, 2, kernel, stride=stride, at=at).double()
    before = layer.weight.detach().clone()
    train(layer, torch.randn(2, 3, *[5] * dims, dtype=torch.float64))
    assert (layer.weight - before).abs().max() > 0.01
    assert unevenness(gains(layer)) < 1e-12
    y = layer(torch.randn(1, 3, *[1] * dims, dtype=torch.float64).expand(1, 3, *[9] * dims))
    inside = y[(..., *[slice(kernel, -kernel)] * dims)]
    assert (inside - inside[(..., *[slice(0, 1)] * dims)]).abs().max() < 1e-11


def test_three_dimensions_groups_and_dilation():
    layer = FlatConvTranspose3d(4, 2, 3, stride=2, groups=2, dilation=(1, 3, 1))
    train(layer, torch.randn(1, 4, 2, 3, 2), steps=3)
    assert unevenness(gains(layer)) < 1e-6


def test_order_2_keeps_ramps():
    layer = FlatConvTranspose2d(2, 3, 6, stride=2, order=2).double()
    train(layer, torch.randn(2, 2, 6, 6, dtype=torch.float64))
    ramp = torch.arange(12.0, dtype=torch.float64).view(1, 1, 12, 1).expand(1, 2, 12, 12)
    for x in (ramp, ramp.transpose(2, 3), ramp + 3 * ramp.transpose(2, 3)):
        y = layer(x)[..., 6:-6, 6:-6]
        for axis in (2, 3):
            assert y.diff(n=2, dim=axis).abs().max() < 1e-10


def test_order_1_alone_does_not_keep_ramps():
    layer = FlatConvTranspose1d(1, 1, 4, stride=2).double()
    y = layer(torch.arange(12.0, dtype=torch.float64).view(1, 1, 12))[..., 4:-4]
    assert y.diff(n=2).abs().max() > 1e-3


@pytest.mark.parametrize(("order", "at"), [(1, "points"), (2, "points"), (1, "lines")])
def test_the_projection_is_the_nearest_of_core(order, at):
    layer = nn.ConvTranspose2d(2, 3, (5, 4), stride=(2, 2)).double()
    expected = flat_weights(layer.weight.detach().numpy(), (2, 2), order=order, at=at)
    flatten_weights(layer, order, at=at)
    np.testing.assert_allclose(layer.weight.detach().numpy(), expected, atol=1e-12)


def test_lines_are_the_folded_resize_convolutions():
    """Every folded nearest resize-convolution is left alone, and there are no others: 9 of 16 for 4 x 4."""
    layer = FlatConvTranspose2d(2, 3, 4, stride=2, at="lines").double()
    folded = fold(Interpolation((2, 2), "nearest"), np.random.default_rng(0).normal(size=(3, 2, 3, 3)))
    projection = layer.parametrizations.weight[0]
    np.testing.assert_allclose(projection(torch.from_numpy(folded)).numpy(), folded, atol=1e-12)
    assert round(float(torch.trace(projection.projection))) == 9
    in_one = FlatConvTranspose1d(1, 1, 4, stride=2)
    assert round(float(torch.trace(in_one.parametrizations.weight[0].projection))) == 3


@pytest.mark.parametrize(
    ("kernel", "stride", "at"), [(4, 2, "points"), (3, 2, "points"), (4, 2, "lines"), (5, 3, "points")]
)
def test_output_variance_is_the_plain_layers(kernel, stride, at):
    x = torch.randn(4, 64, 24, 24)
    plain = nn.ConvTranspose2d(64, 64, kernel, stride=stride, bias=False)(x).var().item()
    ours = FlatConvTranspose2d(64, 64, kernel, stride=stride, bias=False, at=at)(x).var().item()
    # 64 * 64 kernels: the variance of an estimate from as many is about sqrt(2 / 4096) = 2 %
    assert ours == pytest.approx(plain, rel=0.08)


def test_bake_leaves_plain_flat_weights():
    model = nn.Sequential(FlatConvTranspose2d(2, 3, 4, stride=2), nn.ReLU(), flatten_weights(SubPixelConv2d(3, 1, 3)))
    x = torch.randn(1, 2, 4, 4)
    expected = model(x)
    baked = bake(copy.deepcopy(model))
    torch.testing.assert_close(baked(x), expected)
    assert sorted(baked.state_dict()) == ["0.bias", "0.weight", "2.bias", "2.weight"]
    nn.Sequential(nn.ConvTranspose2d(2, 3, 4, stride=2), nn.ReLU(), SubPixelConv2d(3, 1, 3)).load_state_dict(
        baked.state_dict()
    )
    torch.testing.assert_close(model(x), expected)


@pytest.mark.parametrize("dims", [1, 2])
@pytest.mark.parametrize("order", [1, 2])
def test_sub_pixel_convolutions_can_be_flat(dims, order):
    layer = (SubPixelConv1d, SubPixelConv2d)[dims - 1](2, 3, 3, scale_factor=2, icnr=False).double()
    flatten_weights(layer, order)
    train(layer, torch.randn(2, 2, *[6] * dims, dtype=torch.float64))
    known = SubPixelConvolution(layer.weight.detach().numpy(), layer.scale, Window(dims))
    assert unevenness(known.gains()) < 1e-12
    ramp = torch.arange(12.0, dtype=torch.float64).expand(1, 2, *[12] * dims)
    y = layer(torch.ones_like(ramp) if order == 1 else ramp)[(..., *[slice(4, -4)] * dims)]
    assert y.diff(n=order, dim=-1).abs().max() < 1e-10


def test_a_convolution_before_a_shuffle():
    conv = flatten_weights(nn.Conv2d(2, 8, 3, padding=1), scale=2)
    y = nn.functional.pixel_shuffle(conv(torch.ones(1, 2, 8, 8)), 2)[..., 4:-4, 4:-4]
    assert (y - y[..., :1, :1]).abs().max() < 1e-6
    with torch.no_grad():
        conv.parametrizations.bias.original.copy_(torch.randn(8))
    y = nn.functional.pixel_shuffle(conv(torch.ones(1, 2, 8, 8)), 2)[..., 4:-4, 4:-4]
    assert (y - y[..., :1, :1]).abs().max() < 1e-6


def test_a_cast_keeps_the_projection_exact():
    layer = FlatConvTranspose2d(2, 2, 3, stride=2).to(torch.bfloat16)
    assert layer.parametrizations.weight[0].projection.dtype == torch.float64
    assert layer.weight.dtype == torch.bfloat16
    # nine taps, each rounded once to 8 bits
    assert unevenness(gains(layer)) < 9 * torch.finfo(torch.bfloat16).eps
    assert unevenness(gains(layer.double())) < 1e-12


def test_autocast_does_not_round_the_projection():
    layer = FlatConvTranspose2d(3, 2, 3, stride=2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert unevenness(gains(layer)) < 1e-6


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: FlatConvTranspose2d(1, 1, 1, stride=2), "kernel of .1, 1. with stride .2, 2. has no flat weights"),
        (lambda: FlatConvTranspose1d(1, 1, 4, stride=2, order=0), "order 0 is not a flatness order"),
        (lambda: FlatConvTranspose1d(1, 1, 4, stride=2, at="planes"), "at='planes' is unknown"),
        (lambda: flatten_weights(nn.Conv2d(1, 4, 3)), "Conv2d is flat for a pixel shuffle only: give its scale"),
        (lambda: flatten_weights(nn.Conv2d(1, 3, 3), scale=2), "3 channels can't be shuffled by .2, 2."),
        (lambda: flatten_weights(nn.Linear(1, 1)), "Linear is neither a transposed nor a sub-pixel convolution"),
        (lambda: flatten_weights(FlatConvTranspose1d(1, 1, 4, stride=2)), "has flat weights already: bake it first"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_bake_refuses_to_guess():
    layer = FlatConvTranspose1d(1, 1, 4, stride=2)
    nn.utils.parametrize.register_parametrization(layer, "weight", nn.Tanh())
    with pytest.raises(ValueError, match="weight has another parametrisation too"):
        bake(layer)
