"""Folded weights are kept in eval mode, and never a moment too long."""

from __future__ import annotations

import copy
import io

import pytest
import torch

from flatfield.nn import ResizeConv2d
from flatfield.nn.functional import resize_conv


@pytest.fixture
def layer(monkeypatch):
    monkeypatch.setenv("FLATFIELD_RESIZE_CONV", "transposed")
    return ResizeConv2d(3, 4, 3).double().eval()


@pytest.fixture
def folds(monkeypatch):
    from flatfield.nn import functional

    counted, fold = [], functional.folded_kernel
    monkeypatch.setattr(functional, "folded_kernel", lambda *a: counted.append(1) or fold(*a))
    return counted


def same(layer, x):
    with torch.no_grad():
        expected = resize_conv(x, layer.weight, layer.bias, way="plain")
        torch.testing.assert_close(layer(x), expected)


def test_folded_once_in_eval(layer, folds):
    x = torch.randn(1, 3, 5, 5, dtype=torch.float64)
    for _ in range(3):
        same(layer, x)
    assert len(folds) == 1
    layer.train()
    for _ in range(3):
        same(layer, x)
    assert len(folds) == 4


@pytest.mark.parametrize(
    "change",
    [
        lambda layer: layer.weight.detach().mul_(2),
        lambda layer: layer.load_state_dict(ResizeConv2d(3, 4, 3).state_dict()),
        lambda layer: setattr(layer, "weight", torch.nn.Parameter(torch.randn(4, 3, 3, 3).double())),
        lambda layer: layer.float().double(),
        lambda layer: (layer.weight.data.mul_(2), layer.eval()),
        lambda layer: setattr(layer, "scale_factor", 3) or setattr(layer, "scale_factor", 2),
    ],
)
def test_a_change_of_the_weight_is_seen(layer, change):
    x = torch.randn(1, 3, 5, 5, dtype=torch.float64)
    same(layer, x)
    change(layer)
    same(layer, x)


def test_an_optimiser_step_is_seen(layer):
    x = torch.randn(1, 3, 5, 5, dtype=torch.float64)
    same(layer, x)
    optimiser = torch.optim.SGD(layer.parameters(), lr=1.0)
    layer(x).sum().backward()
    optimiser.step()
    same(layer, x)


def test_copies_and_pickles_fold_for_themselves(layer):
    x = torch.randn(1, 3, 5, 5, dtype=torch.float64)
    same(layer, x)
    twin = copy.deepcopy(layer)
    twin.weight.detach().mul_(-1)
    same(twin, x)
    same(layer, x)
    buffer = io.BytesIO()
    torch.save(layer, buffer)
    buffer.seek(0)
    same(torch.load(buffer, weights_only=False), x)
    assert list(layer.state_dict()) == ["weight", "bias"]


def test_inference_tensors_have_no_counter(layer):
    with torch.inference_mode():
        inside = ResizeConv2d(3, 4, 3).double().eval()
        same(inside, torch.randn(1, 3, 5, 5, dtype=torch.float64))


def test_a_gradient_of_the_weight_is_never_cut_off(layer):
    layer(torch.randn(1, 3, 5, 5, dtype=torch.float64)).sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.abs().sum() > 0
