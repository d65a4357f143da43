"""Flat fields of likely colours, as a module paints them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from flatfield.cure.colours import Real
from flatfield.cure.layout import Layout
from flatfield.cure.pytorch.corrected import arranged
from flatfield.probe.attempts import settled_plan
from flatfield.probe.first_pass import FirstPass
from flatfield.probe.passage import Passage, Subject
from flatfield.probe.plan import INPUT, Plan
from flatfield.probe.unhonoured import NoGridError
from flatfield.readers.visit import map_tensors, tensors_in

FLATS = 96
"""Flat fields that are run for one calibration."""
MOST_PARTS = 64
PART = 4


@dataclass(frozen=True)
class FlatFields:
    """How flat fields reach the output of a module, on the probe's torus: `passage` is the first that did.

    Where inputs have positions, they are flat inputs of the colours of parts of the examples. A generator has flat
    features instead: the means of those that the examples have where it begins to upsample.
    """

    plan: Plan
    passage: Passage

    @property
    def dims(self) -> int:
        """Number of axes with positions."""
        return sum(1 for period in self.passage.periods if period > 0)

    @classmethod
    def of(cls, whole: Subject, seen: FirstPass) -> FlatFields:
        """Find out which of both the module can be run on; raises `NoGridError` for neither."""
        plan, passage = settled_plan(whole, seen, Plan())
        found = cls(plan, passage)
        if plan.start != INPUT and seen.sources(found.dims):
            with contextlib.suppress(NoGridError):
                at_input, same = settled_plan(whole, seen, Plan(INPUT))
                if same.periods == passage.periods and same.ledger.leaks <= passage.ledger.leaks:
                    return cls(at_input, same)
        return found

    def tiles(self, whole: Subject, seen: FirstPass, layout: Layout, count: int) -> Iterator[Real]:
        """Run flat fields of `count` colours of each example, and give one period of each output."""
        if self.plan.start != INPUT:
            yield tile(whole.run(self.plan, seen).output, layout)
            return
        for place in range(min(count, MOST_PARTS)):
            part = self._of_part(whole, place)
            seen_there = seen.with_inputs(list(tensors_in((part.inputs, part.keywords))))
            yield tile(part.run(self.plan, seen_there).output, layout)

    def _of_part(self, whole: Subject, place: int) -> Subject:
        def mean(tensor: torch.Tensor) -> torch.Tensor:
            return _part_mean(tensor, self.dims, place)

        return replace(whole, inputs=map_tensors(whole.inputs, mean), keywords=map_tensors(dict(whole.keywords), mean))


def _part_mean(tensor: torch.Tensor, dims: int, place: int) -> torch.Tensor:
    """Fill an input with the mean of one of its parts, a quarter as long along each axis; `place` seeds which."""
    if tensor.dim() != dims + 2 or not tensor.is_floating_point():
        return tensor
    random, part = np.random.default_rng(place), tensor
    for axis in range(2, 2 + dims):
        size = max(1, tensor.shape[axis] // PART)
        part = part.narrow(axis, int(random.integers(tensor.shape[axis] - size + 1)), size)
    return part.mean(tuple(range(2, 2 + dims)), keepdim=True).expand(tensor.shape).contiguous()


def tile(output: torch.Tensor, layout: Layout) -> Real:
    """Cut one period of a periodic output, or repeat what is shorter, as (batch, channels, *period)."""
    values = np.asarray(arranged(output, layout).double().cpu().numpy())
    for axis, step in enumerate(layout.period, start=2):
        values = values.take(np.arange(step) % values.shape[axis], axis)
    return values
