"""Passage: one run of a PyTorch module on a flat field, with nothing left behind."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from flatfield.core.taps import Ints
from flatfield.probe.circular_pads import CircularPads
from flatfield.probe.first_pass import FirstPass
from flatfield.probe.period import Periods
from flatfield.probe.plan import FIRST, INPUT, Plan, Step
from flatfield.probe.prefix import Prefix
from flatfield.probe.torus import Torus
from flatfield.probe.unhonoured import NO_OUTPUT, Ledger, NoGridError
from flatfield.probe.untouched import untouched
from flatfield.readers.visit import Path, map_tensors, module_paths, tensors_in


@dataclass(frozen=True)
class Passage:
    """What came out of one run: the output that comes from the flat field, with its periods, and the layers.

    `place` counts that output among all tensors that the module returned.
    """

    output: torch.Tensor
    periods: Periods
    steps: tuple[Step, ...]
    ledger: Ledger
    start: str
    size: Ints
    upsamplers: int
    prefix: tuple[tuple[str, torch.Tensor], ...] = ()
    level: int = 0
    place: int = 0


@dataclass(frozen=True)
class Subject:
    """A module with its example input; every run is one call."""

    module: nn.Module
    inputs: tuple[Any, ...]
    keywords: Mapping[str, Any]

    def first_pass(self) -> FirstPass:
        """Run the example as it is."""
        path: Path = []
        seen = FirstPass(path)
        with untouched(self.module, (self.inputs, self.keywords)), module_paths(self.module, path), seen:
            self.module(*self.inputs, **self.keywords)
        return seen

    def run(self, plan: Plan, seen: FirstPass, before: Passage | None = None) -> Passage:
        """Run once as planned; what a run `before` at a lower level did alike is not computed again.

        Raises `NoGridError` where nothing flat reaches the output.
        """
        path: Path = []
        earlier = before.prefix if before else tuple(seen.prefix.results)
        prefix = Prefix(earlier, alike=before.level + 1 if before else 0)
        torus = Torus(plan, replace(seen.statistics), path, prefix)
        with contextlib.ExitStack() as stack:
            stack.enter_context(untouched(self.module, (self.inputs, self.keywords)))
            inputs, keywords = self._fed(torus)
            stack.enter_context(module_paths(self.module, path))
            stack.enter_context(CircularPads(torus))
            stack.enter_context(torus)
            result = self.module(*inputs, **keywords)
        returned = enumerate(tensors_in(result))
        reached = ((n, t) for n, t in returned if max(torus.known.get(t, (0,)), default=0) > 0)
        place, output = next(reached, (0, None))
        if output is None:
            raise NoGridError(NO_OUTPUT)
        periods: Periods = torus.known[output]
        return Passage(
            output, periods, tuple(torus.steps), torus.ledger, torus.start_name, torus.start_size, torus.upsamplers,
            tuple(prefix.results), plan.level, place,
        )  # fmt: skip

    def _fed(self, torus: Torus) -> tuple[Any, Any]:
        if torus.plan.start != INPUT:
            return self.inputs, self.keywords
        torus.start_name = "input"

        def feed(tensor: torch.Tensor) -> torch.Tensor:
            dims = tensor.dim() - 2
            if dims < 1 or not tensor.is_floating_point() or torus.plan.dims not in (0, dims):
                return tensor
            return torus.field(tensor, dims, torus.plan.size if len(torus.plan.size) == dims else ())

        return map_tensors(tuple(self.inputs), feed), map_tensors(dict(self.keywords), feed)

    def spatial_sizes(self, dims: int = 0) -> list[Ints]:
        """Sizes of the inputs that hold positions, of those with `dims` spatial axes (0: any)."""
        tensors = [t for t in tensors_in((self.inputs, self.keywords)) if t.dim() > 2 and t.is_floating_point()]
        return [tuple(t.shape[2:]) for t in tensors if dims in (0, t.dim() - 2)]


def subject(module: nn.Module, inputs: Sequence[Any] | torch.Tensor, keywords: Mapping[str, Any] | None) -> Subject:
    """Put a module and its example input together; a lone tensor is the only input.

    Raises `TypeError` for what is no module.
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"a {type(module).__name__} is no nn.Module; of an exported program take its module()")
    listed = (inputs,) if isinstance(inputs, torch.Tensor) else tuple(inputs)
    return Subject(module, listed, dict(keywords or {}))


__all__ = ["FIRST", "Passage", "Subject", "subject"]
