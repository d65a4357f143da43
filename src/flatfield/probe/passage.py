"""Passage: one run of a PyTorch module on a flat field, with nothing left behind."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
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
from flatfield.readers.untouched import Untouched
from flatfield.readers.visit import map_tensors, tensors_in


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
    """A module with its example input; every run is one call.

    Runs made inside `with subject.untouched:` share one look at the module; each is undone in any case.
    """

    module: nn.Module
    inputs: tuple[Any, ...]
    keywords: Mapping[str, Any]
    untouched: Untouched = field(repr=False, compare=False)

    def first_pass(self) -> FirstPass:
        """Run the example as it is."""
        with self.untouched as kept:
            seen = FirstPass(kept.path, list(tensors_in((self.inputs, self.keywords))))
            with CircularPads(seen.trail.known, looking_on=True) as pads, seen:
                self.module(*self.inputs, **self.keywords)
            seen.circular = pads.met
        return seen

    def run(self, plan: Plan, seen: FirstPass, before: Passage | None = None) -> Passage:
        """Run once as planned; what a run `before` at a lower level did alike is not computed again.

        Raises `NoGridError` where nothing flat reaches the output.
        """
        earlier = before.prefix if before else tuple(seen.prefix.results)
        prefix = Prefix(earlier, alike=before.level + 1 if before else 0)
        torus = Torus(plan, replace(seen.statistics), self.untouched.path, prefix, seen.resizes)
        with self.untouched:
            inputs, keywords = self._fed(torus, seen)
            with CircularPads(torus.known) if seen.circular else contextlib.nullcontext(), torus:
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

    def _fed(self, torus: Torus, seen: FirstPass) -> tuple[Any, Any]:
        if torus.plan.start != INPUT:
            return self.inputs, self.keywords
        torus.start_name, size = "input", torus.plan.size
        axes = {id(tensor): source.axes for tensor, source in seen.sources(torus.plan.dims)}

        def feed(tensor: torch.Tensor) -> torch.Tensor:
            own = axes.get(id(tensor), ())
            return torus.field(tensor, own, size if len(size) == len(own) else ()) if own else tensor

        return map_tensors(tuple(self.inputs), feed), map_tensors(dict(self.keywords), feed)


def subject(module: nn.Module, inputs: Sequence[Any] | torch.Tensor, keywords: Mapping[str, Any] | None) -> Subject:
    """Put a module and its example input together; a lone tensor is the only input.

    Raises `TypeError` for what is no module.
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"a {type(module).__name__} is no nn.Module; of an exported program take its module()")
    listed, named = (inputs,) if isinstance(inputs, torch.Tensor) else tuple(inputs), dict(keywords or {})
    return Subject(module, listed, named, Untouched(module, (listed, named)))


__all__ = ["FIRST", "Passage", "Subject", "subject"]
