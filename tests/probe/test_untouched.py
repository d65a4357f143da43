"""A probe leaves no trace on the module: modes, hooks, buffers, plain tensors, gradients, random numbers."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.modules import module as module_hooks

from flatfield.probe.gradient import probe_gradient
from flatfield.probe.profile import probe_module


class Restless(nn.Module):
    """Everything a module can do to itself while it runs."""

    def __init__(self, *, fails: bool = False) -> None:
        super().__init__()
        self.fails = fails
        self.calls = 0
        self.first = nn.Sequential(nn.Conv2d(2, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.Dropout(0.5))
        self.second = nn.ConvTranspose2d(4, 2, 3, 2, 1, 1)
        self.instance = nn.InstanceNorm2d(2, track_running_stats=True)
        self.register_buffer("count", torch.zeros(1))
        self.register_buffer("replaced", torch.zeros(2))
        self.weight = torch.ones(3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.count += 1
        self.replaced = torch.ones(2) * self.count
        self.weight = torch.rand(3)
        self.fresh = torch.rand(3)
        x = self.instance(self.second(self.first(x + torch.rand(1))))
        if self.fails and self.count > 0:
            raise RuntimeError("it failed in the middle")
        return x


def state(module: nn.Module) -> dict[str, Any]:
    hooks = [
        len(getattr(child, name) or ()) for child in module.modules() for name in sorted(vars(child)) if "hook" in name
    ]
    world = [len(getattr(module_hooks, name)) for name in sorted(vars(module_hooks)) if name.startswith("_global_") and "hooks" in name and hasattr(getattr(module_hooks, name), "__len__")]  # fmt: skip  # noqa: E501
    return {
        "modes": [child.training for child in module.modules()],
        "hooks": hooks,
        "world": world,
        "ids": [id(t) for t in (*module.parameters(), *module.buffers())],
        "keys": [sorted(vars(child)) for child in module.modules()],
        "grads": [p.grad for p in module.parameters()],
        "needs": [p.requires_grad for p in module.parameters()],
        "threads": torch.get_num_threads(),
        "grad": torch.is_grad_enabled(),
    }


@pytest.mark.parametrize("probe", [probe_module, probe_gradient])
@pytest.mark.parametrize("fails", [False, True])
def test_nothing_is_left_behind(probe: Any, fails: bool) -> None:
    module = Restless(fails=fails)
    module.train()
    module.first[1].eval()
    before, kept, weight = state(module), copy.deepcopy(module.state_dict()), module.weight
    numbers = torch.get_rng_state()
    if fails:
        with pytest.raises(RuntimeError, match="in the middle"):
            probe(module, torch.randn(1, 2, 8, 8, generator=torch.Generator()))
    else:
        probe(module, torch.randn(1, 2, 8, 8, generator=torch.Generator()))
    assert state(module) == before
    assert module.weight is weight
    assert torch.equal(torch.get_rng_state(), numbers)
    for key, value in module.state_dict().items():
        assert torch.equal(value, kept[key]), key
    with pytest.raises(RuntimeError, match="in the middle") if fails else torch.no_grad():  # type: ignore[attr-defined]
        module(torch.ones(1, 2, 8, 8))
    assert module.count == 1, "the module runs as it did, outside of any mode"


def test_the_test_above_can_fail() -> None:
    module = Restless()
    before, kept = state(module), copy.deepcopy(module.state_dict())
    module(torch.ones(1, 2, 8, 8))
    assert state(module) != before
    assert not torch.equal(module.count, kept["count"])
