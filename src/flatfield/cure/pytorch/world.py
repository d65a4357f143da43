"""A PyTorch module to be cured."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from flatfield.cure.examples import Examples, Progress
from flatfield.cure.pytorch import METHODS
from flatfield.cure.pytorch.flatten import baked
from flatfield.cure.pytorch.found import grounded
from flatfield.cure.pytorch.fuse import plan as fuse_plan
from flatfield.cure.pytorch.recover import Schedule, recover
from flatfield.cure.pytorch.subject import ModuleSubject
from flatfield.cure.subject import Array
from flatfield.cure.world import Recovery, Slot
from flatfield.cure_report import CurePlan, How
from flatfield.readers.visit import map_tensors
from flatfield.targets import Opened


def world(opened: Opened) -> ModuleWorld:
    """Give the world of an opened module."""
    return ModuleWorld(opened)


@dataclass(frozen=True)
class ModuleWorld:
    """A module with its example input."""

    opened: Opened

    @cached_property
    def subject(self) -> ModuleSubject:
        """The original, to be measured."""
        return self._subject(self.opened.model)

    def _subject(self, module: nn.Module) -> ModuleSubject:
        return ModuleSubject(module, tuple(self.opened.inputs), self.opened.keywords, self.opened.network.target)

    @property
    def ways(self) -> Sequence[How]:
        """The ways there are."""
        return tuple(METHODS)

    @property
    def slots(self) -> tuple[Slot, ...]:
        """Its positional inputs."""
        return tuple(
            Slot("", tuple(given.shape), given.is_floating_point())
            if isinstance(given, Tensor)
            else Slot("", (), False)
            for given in self.opened.inputs
        )

    @property
    def keywords(self) -> Mapping[str, Any]:
        """Its keyword inputs."""
        return self.opened.keywords

    def grounded(self, plan: CurePlan) -> CurePlan:
        """Move what can't be changed in this module to the refusals."""
        return grounded(plan, self.opened.model, self.opened.network)

    def rewriting(self, how: How) -> CurePlan:
        """What can be fused."""
        return fuse_plan(self.opened.model, self.opened.inputs, self.opened.keywords, self.opened.network.target)

    def elsewhere(self) -> Examples | None:
        """A module does not say which sizes it takes."""
        return None

    def applied(
        self, plan: CurePlan, examples: Examples, progress: Progress, recovery: Recovery
    ) -> tuple[nn.Module, tuple[str, ...]]:
        """Do what a plan says, on a copy."""
        if recovery != Recovery():
            steps = Schedule().steps if recovery.steps is None else recovery.steps
            schedule = Schedule(steps=steps, checkpoint=recovery.checkpoint)
            return recover(plan, self.opened.model, examples, progress, schedule)
        return METHODS[plan.how](plan, self.opened.model, examples, progress)

    def finished(self, model: nn.Module) -> nn.Module:
        """Bake flat weights in."""
        return baked(model)

    def measured(self, model: nn.Module) -> contextlib.AbstractContextManager[ModuleSubject]:
        """A cured module, to be measured."""
        return contextlib.nullcontext(self._subject(model))

    def draws(self, count: int) -> Examples:
        """The example input, and noise of the same mean and deviation; whole numbers stay as they are."""
        example = tuple(self.opened.inputs)
        generator = torch.Generator().manual_seed(0)
        noisy = any(slot.real for slot in self.slots)
        drawn = [_noise(example, generator) for _ in range(count - 1)] if noisy else []
        told = f"the example input and {len(drawn)} draws of noise like it" if drawn else "the example input alone"
        return Examples([example, *drawn], told, self.opened.keywords)

    def batch(self, arrays: Mapping[int, Array]) -> tuple[Any, ...]:
        """The example input with arrays in the place of some slots."""
        example = self.opened.inputs
        return tuple(
            torch.tensor(arrays[place]).to(given) if place in arrays else given for place, given in enumerate(example)
        )


def _noise(example: tuple[Any, ...], generator: torch.Generator) -> tuple[Any, ...]:
    def like(tensor: Tensor) -> Tensor:
        if not tensor.is_floating_point():
            return tensor
        wide = tensor.detach().double()
        deviation = float(wide.std()) if tensor.numel() > 1 else 0.0
        noise = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
        return (float(wide.mean()) + (deviation or 1.0) * noise).to(tensor)

    return tuple(map_tensors(example, like))
