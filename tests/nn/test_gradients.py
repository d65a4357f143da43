"""Gradients of every way, once and twice, and what they keep in memory."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from flatfield import nn as flat
from flatfield.nn.functional import resize_conv

LAST = {4: torch.channels_last, 5: torch.channels_last_3d}
WAYS = ("mixed", "phases", "transposed", "plain")


def doubles(*shape):
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("size", "kernel", "options"),
    [
        ((3,), (3,), {}),
        ((4, 3), (3, 2), {"padding_mode": "replicate"}),
        ((2, 2, 2), (3, 1, 2), {"padding": "valid"}),
        ((8, 9), (3, 3), {"mode": "bilinear"}),
    ],
)
def test_gradcheck(way, size, kernel, options):
    inputs = doubles(1, 2, *size), doubles(2, 2, *kernel), doubles(2)

    def call(x, weight, bias):
        return resize_conv(x, weight, bias, way=way, **options)

    assert torch.autograd.gradcheck(call, inputs, fast_mode=True)
    if len(size) < 3:
        assert torch.autograd.gradgradcheck(call, inputs, fast_mode=True)


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("needs", [(True, True), (True, False), (False, True)])
def test_mixed_gives_the_gradients_that_are_wanted(composition, needs, last):
    x, weight, bias = doubles(2, 3, 6, 5), doubles(4, 3, 4, 3), doubles(4)
    wanted = [t for t, need in zip((x, weight), needs, strict=True) if need] + [bias]
    for tensor, need in zip((x, weight), needs, strict=True):
        tensor.requires_grad_(need)
    shaped = x.to(memory_format=torch.channels_last) if last else x
    y = resize_conv(shaped, weight, bias, way="mixed")
    gradient = torch.randn_like(y)
    found = torch.autograd.grad(y, wanted, gradient)
    expected = torch.autograd.grad(composition(x, weight, bias), wanted, gradient)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def saved(call):
    """Bytes that autograd keeps for the backward pass, leaves (parameters and input) apart."""
    kept: dict[int, tuple[bool, int]] = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = (tensor.is_leaf and tensor.requires_grad, storage.nbytes())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = call()
    return sum(size for leaf, size in kept.values() if not leaf), result


@pytest.mark.parametrize("way", ["mixed", "phases", "transposed"])
@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_the_upsampled_image_is_not_saved(composition, way, mode):
    weight = torch.randn(8, 8, 3, 3, requires_grad=True)
    x = torch.randn(1, 8, 80, 80, requires_grad=True) * 1.0  # not a leaf: an activation
    plain, _ = saved(lambda: composition(x, weight, None, 2, mode))
    ours, _ = saved(lambda: resize_conv(x, weight, None, 2, mode, way=way))
    strips = 0.1 if mode == "bilinear" else 0.0  # three of 160 lines at each of four borders, and the edge
    folded = 4 * weight.numel() * 4  # the folded kernel, which is no leaf
    assert ours <= plain * (0.25 + strips) + folded + 256


@pytest.mark.parametrize(
    ("layer", "size"),
    [
        (lambda: flat.SubPixelConv2d(2, 2, 3, padding_mode="reflect", blur=True), (1, 2, 3, 3)),
        (lambda: flat.FlatConvTranspose2d(2, 2, 3, stride=2, order=2), (1, 2, 3, 3)),
        (lambda: flat.FlatConvTranspose1d(2, 2, 4, stride=2, at="lines"), (1, 2, 5)),
        (lambda: flat.BlurPool3d(order=2), (1, 2, 4, 3, 4)),
        (flat.MaxBlurPool2d, (1, 2, 6, 5)),
        (lambda: flat.BlurConv2d(2, 2, 3, stride=2, padding=1), (1, 2, 6, 5)),
        (lambda: flat.ResizeConv2d(2, 2, 3, mode="bicubic"), (1, 2, 4, 3)),
    ],
)
def test_gradcheck_of_layers(layer, size):
    module = layer().double()
    assert torch.autograd.gradcheck(module, (doubles(*size),), fast_mode=True)
    names = [name for name, _ in module.named_parameters()]

    def call(x, *parameters):
        return torch.func.functional_call(module, dict(zip(names, parameters, strict=True)), (x,))

    inputs = (torch.randn(*size, dtype=torch.float64), *(p.detach().requires_grad_() for p in module.parameters()))
    if names:
        assert torch.autograd.gradcheck(call, inputs, fast_mode=True)


def test_training_is_the_training_of_the_pair(composition):
    conv = nn.Conv2d(3, 2, 3, padding=1).double()
    layer = flat.ResizeConv2d(3, 2, 3).double()
    layer.load_state_dict(conv.state_dict())
    x, target = torch.randn(2, 3, 6, 6, dtype=torch.float64), torch.randn(2, 2, 12, 12, dtype=torch.float64)
    for module, call in ((layer, layer), (conv, lambda x: composition(x, conv.weight, conv.bias))):
        optimiser = torch.optim.Adam(module.parameters(), lr=0.05)
        for _ in range(5):
            optimiser.zero_grad()
            (call(x) - target).square().mean().backward()
            optimiser.step()
    torch.testing.assert_close(layer.weight, conv.weight, rtol=1e-9, atol=1e-9)
