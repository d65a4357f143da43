"""Random small networks through every way: sizes stay, what is promised is kept, nothing else changes."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from flatfield.cure import cure
from flatfield.cure.planning import PLANNERS, plan
from flatfield.cure.pytorch.found import grounded
from flatfield.cure.pytorch.writing import state_bytes
from flatfield.cure_report import How
from flatfield.readers.pytorch import read_module

CONV = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
POOL = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}
NORM = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
WAYS: tuple[How, ...] = ("flatten", "resize", "icnr", "blur")


@st.composite
def networks(draw: st.DrawFn) -> tuple[nn.Module, torch.Tensor]:
    """A few layers up and down, in any order, of any kernel, stride, padding and groups."""
    dims = draw(st.sampled_from((1, 2, 2, 3)))
    torch.manual_seed(draw(st.integers(0, 999)))
    layers: list[nn.Module] = []
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(("conv", "up", "up", "shuffle", "pool", "norm")))
        kernel, stride = draw(st.integers(1, 5)), draw(st.integers(1, 3))
        if kind == "conv":
            layers.append(CONV[dims](4, 4, kernel, stride, kernel // 2, groups=draw(st.sampled_from((1, 2)))))
        elif kind == "up":
            padding = draw(st.integers(0, (kernel - 1) // 2))
            extra = draw(st.integers(0, stride - 1))
            groups = draw(st.sampled_from((1, 2)))
            layers.append(TRANSPOSED[dims](4, 4, kernel, stride, padding, extra, groups))
        elif kind == "shuffle" and dims == 2:
            layers += [nn.Conv2d(4, 16, kernel, padding=kernel // 2), nn.PixelShuffle(2)]
        elif kind == "pool":
            layers.append(POOL[dims](2, stride))
        else:
            layers.append(NORM[dims](4))
        layers.append(nn.ReLU() if draw(st.booleans()) else nn.Identity())
    return nn.Sequential(*layers).eval(), torch.randn(1, 4, *(6 + axis for axis in range(dims)))


@given(networks(), st.sampled_from(WAYS))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_sizes_stay_and_promises_are_kept(drawn: tuple[nn.Module, torch.Tensor], how: How) -> None:
    module, x = drawn
    try:
        wanted = module(x)
    except RuntimeError:  # a pool or a kernel that is larger than what arrives
        return
    before = state_bytes(module, {})
    asked = grounded(plan(read_module(module, (x,)), how), module, read_module(module, (x,)))
    if not asked.steps:
        return
    result = cure(module, x, how=how, examples=[x, x + 1.0], keep_constraint=False)
    assert result.model(x).shape == wanted.shape
    assert state_bytes(module, {}) == before
    planned = {step.layer for step in result.report.plan.steps}
    assert planned == {step.layer for step in asked.steps}
    left = {layer.name: layer.unevenness for layer in result.report.after.layers if layer.name in planned}
    if how in ("flatten", "resize", "icnr"):
        assert max((u or 0.0 for u in left.values()), default=0.0) < 1e-5


def test_every_way_has_a_plan() -> None:
    assert set(WAYS) | {"correct", "recover"} == set(PLANNERS)
    assert set(PLANNERS) <= set(get_args(How))


@pytest.mark.parametrize("how", WAYS)
def test_the_networks_above_reach_every_way(how: How) -> None:
    """The property would hold of no network at all: each way changes some that can be drawn."""
    layers = {
        "flatten": nn.ConvTranspose2d(4, 4, 3, 2),
        "resize": nn.ConvTranspose2d(4, 4, 3, 2),
        "icnr": nn.Sequential(nn.Conv2d(4, 16, 3), nn.PixelShuffle(2)),
        "blur": nn.Conv2d(4, 4, 3, 2),
    }
    torch.manual_seed(0)
    x = torch.randn(1, 4, 6, 7)
    assert cure(nn.Sequential(layers[how]).eval(), x, how=how, examples=[x]).report.plan.steps
