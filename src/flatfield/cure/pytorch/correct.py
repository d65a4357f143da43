"""Correct: a flat-field correction behind a PyTorch module, calibrated on what the module makes of examples."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from flatfield.core.taps import Ints
from flatfield.cure.calibration import CalibrationError, calibrate
from flatfield.cure.correction import Correction, Real
from flatfield.cure.correction_fit import fit_correction
from flatfield.cure.examples import Examples, Progress
from flatfield.cure_report import CurePlan
from flatfield.nn.flat_field_correction import FlatFieldCorrection
from flatfield.probe.attempts import settled_plan
from flatfield.probe.first_pass import FirstPass
from flatfield.probe.passage import Passage, Subject, subject
from flatfield.probe.plan import INPUT, Plan
from flatfield.probe.unhonoured import NoGridError
from flatfield.probe.untouched import untouched
from flatfield.readers.visit import map_tensors, tensors_in

FLATS = 256
"""Flat fields that are run for a calibration."""
MOST_PARTS = 64


@dataclass(frozen=True)
class Layout:
    """Where in a model's output the grid is: which tensor, and which of its axes are what."""

    place: int
    shape: int
    channel: int | None
    space: Ints
    period: Ints

    def canonical(self, tensor: torch.Tensor) -> torch.Tensor:
        """Bring the output to (batch, channels, *space)."""
        if self.channel is None:
            return tensor.unsqueeze(1)
        return tensor.movedim(self.channel, 1)

    def restored(self, tensor: torch.Tensor) -> torch.Tensor:
        """Bring (batch, channels, *space) back to what the model's output is."""
        return tensor.squeeze(1) if self.channel is None else tensor.movedim(1, self.channel)


class Corrected(nn.Module):
    """A model with a flat-field correction behind it: `model` as it was, then `correction` on one of its outputs."""

    def __init__(self, model: nn.Module, correction: FlatFieldCorrection, layout: Layout) -> None:
        super().__init__()
        self.model = model
        self.correction = correction
        self.layout = layout
        self.train(model.training)

    def forward(self, *args: Any, **keywords: Any) -> Any:
        """Run the model and subtract the grid."""
        return replaced(self.model(*args, **keywords), self.layout.place, self._corrected)

    def _corrected(self, tensor: torch.Tensor) -> torch.Tensor:
        return self.layout.restored(self.correction(self.layout.canonical(tensor)))


def replaced(tree: Any, place: int, function: Any) -> Any:
    """Put `function(tensor)` in the place of one tensor of a model's output, counted as `tensors_in` walks them."""
    if isinstance(tree, torch.Tensor):
        return function(tree) if place == 0 else tree
    if dataclasses.is_dataclass(tree) and not isinstance(tree, Mapping | type):
        names = [field.name for field in dataclasses.fields(tree)]
        return dataclasses.replace(tree, **dict(_each(((n, getattr(tree, n)) for n in names), place, function)))
    if isinstance(tree, Mapping):
        changed = copy.copy(tree)
        for name, branch in _each(tree.items(), place, function):
            changed[name] = branch  # type: ignore[index]
        return changed
    if isinstance(tree, list | tuple):
        branches = [branch for _, branch in _each(enumerate(tree), place, function)]
        return type(tree)(*branches) if hasattr(tree, "_fields") else type(tree)(branches)
    return tree


def _each(branches: Any, place: int, function: Any) -> Iterator[tuple[Any, Any]]:
    for name, branch in branches:
        count = sum(1 for _ in tensors_in(branch))
        yield name, replaced(branch, place, function) if 0 <= place < count else branch
        place -= count


def correct(
    plan: CurePlan, module: nn.Module, examples: Examples, progress: Progress
) -> tuple[nn.Module, tuple[str, ...]]:
    """Put a flat-field correction behind a copy of `module`; a model without a grid is copied as it is.

    Raises `CalibrationError` for examples that tell nothing, `NoGridError` for a model without upsampling.
    """
    outputs, tiles, layout = _calibration(module, examples, progress)
    progress("fitting the correction", 0, 1)
    correction = fit_correction(calibrate(outputs, tiles, layout.period))
    progress("fitting the correction", 1, 1)
    twin = copy.deepcopy(module)
    notes = notes_on(correction, examples.source)
    if correction.degree < 0:
        return twin, notes
    return Corrected(twin, layer(correction, twin), layout), notes


def layer(correction: Correction, like: nn.Module) -> FlatFieldCorrection:
    """Make the layer that applies a correction, where and as precise as a module's floating-point weights."""
    weight = next((p for p in like.parameters() if p.is_floating_point()), torch.zeros(()))

    def tensor(value: Real) -> torch.Tensor:
        return torch.tensor(value, dtype=torch.float32 if weight.element_size() < 4 else weight.dtype)

    parts = (correction.centre, correction.colour, correction.low, correction.high, correction.coefficients)
    return FlatFieldCorrection(correction.period, *map(tensor, parts)).to(weight.device)


def _calibration(module: nn.Module, examples: Examples, progress: Progress) -> tuple[list[Real], Real | None, Layout]:
    total = len(examples.batches)
    if total == 0:
        raise CalibrationError(
            "no example can't tell a grid from what is in the picture: give two or more (--examples)"
        )
    flats: FlatFields | None = None
    outputs, tiles = [], []
    for done, batch in enumerate(examples.batches):
        progress("running the examples", done, total)
        whole = subject(module, batch, examples.keywords)
        seen = whole.first_pass()
        if flats is None:
            flats = FlatFields.of(whole, seen)
            layout = layout_of(run(module, batch, examples.keywords), flats.passage)
        output = list(tensors_in(run(module, batch, examples.keywords)))[layout.place]
        outputs.append(layout.canonical(output).double().cpu().numpy())
        share = -(-FLATS // (total * max(1, output.shape[0])))
        tiles += [_tile(passage, layout) for passage in flats.passages(whole, seen, share)]
    progress("running the examples", total, total)
    return outputs, np.concatenate(tiles), layout


@dataclass(frozen=True)
class FlatFields:
    """How flat fields of likely colours are run: as flat inputs where inputs have positions, else as flat features."""

    plan: Plan
    passage: Passage

    @classmethod
    def of(cls, whole: Subject, seen: FirstPass) -> FlatFields:
        """Find out which of both the module can be run on."""
        plan, passage = settled_plan(whole, seen, Plan())
        dims = sum(1 for period in passage.periods if period > 0)
        if whole.spatial_sizes(dims):
            with contextlib.suppress(NoGridError):
                at_input, same = settled_plan(whole, seen, Plan(INPUT))
                if same.periods == passage.periods and same.ledger.leaks <= passage.ledger.leaks:
                    return cls(at_input, same)
        return cls(plan, passage)

    def passages(self, whole: Subject, seen: FirstPass, count: int) -> Iterator[Passage]:
        """Run flat fields of the mean colours of `count` parts of the inputs; flat features have but one mean."""
        if self.plan.start != INPUT:
            yield whole.run(self.plan, seen)
            return
        dims = sum(1 for period in self.passage.periods if period > 0)
        for part in range(min(count, MOST_PARTS)):
            inputs, keywords = (map_tensors(x, lambda t: _part(t, dims, part)) for x in (whole.inputs, whole.keywords))
            yield replace(whole, inputs=inputs, keywords=keywords).run(self.plan, seen)


def _part(tensor: torch.Tensor, dims: int, part: int) -> torch.Tensor:
    """Fill an input with the mean of one part of it, a quarter of its length along each axis."""
    if tensor.dim() != dims + 2 or not tensor.is_floating_point():
        return tensor
    cut = tensor
    rng = np.random.default_rng(part)
    for axis in range(2, 2 + dims):
        size = max(1, tensor.shape[axis] // 4)
        cut = cut.narrow(axis, int(rng.integers(tensor.shape[axis] - size + 1)), size)
    return cut.mean(tuple(range(2, 2 + dims)), keepdim=True).expand(tensor.shape).contiguous()


def run(module: nn.Module, batch: tuple[Any, ...], keywords: Mapping[str, Any]) -> Any:
    """Run a module as it is in use, and leave no trace of it."""
    with untouched(module, (batch, keywords)):
        return module(*batch, **keywords)


def layout_of(result: Any, passage: Passage) -> Layout:
    """Find the tensor of a model's output that has the grid: the first as the one on the torus is laid out."""
    periods = passage.periods
    space = tuple(axis for axis, period in enumerate(periods) if period > 0)
    rest = [axis for axis in range(1, len(periods)) if axis not in space]
    if not 1 <= len(space) <= 3 or len(rest) > 1 or 0 in space:
        raise NoGridError(f"an output with {len(periods)} axes, {len(space)} of them positions, can't be corrected")
    for place, tensor in enumerate(tensors_in(result)):
        if tensor.dim() == len(periods) and tensor.is_floating_point():
            return Layout(place, len(periods), rest[0] if rest else None, space, tuple(periods[a] for a in space))
    raise NoGridError("the output with the grid is not among what the model returns")


def _tile(passage: Passage, layout: Layout) -> Real:
    """One period of what the flat field became."""
    tensor = layout.canonical(passage.output).double().cpu()
    for axis, step in enumerate(layout.period, start=2):
        tensor = torch.cat([tensor] * -(-step // tensor.shape[axis]), dim=axis).narrow(axis, 0, step)
    return np.asarray(tensor.numpy())


def notes_on(correction: Correction, source: str) -> tuple[str, ...]:
    """Say what a correction was calibrated on and what it found."""
    seen = correction.statistics
    period = " x ".join(map(str, correction.period))
    first = f"calibrated on {seen.examples} outputs for {source}, and {seen.flats} flat fields; period {period}"
    if correction.degree < 0:
        return first, "no grid beyond the noise of what is in the examples: the model is left as it is"
    return first, f"the grid is a polynomial of degree {correction.degree} in the local colour"
