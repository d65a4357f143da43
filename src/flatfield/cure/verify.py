"""Verify: what a cure did, measured on the model before and behind it, before anything is written."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from flatfield import __version__
from flatfield.cure.examples import Examples, Progress, unheard
from flatfield.cure.natural import NaturalGrid, output_period
from flatfield.cure.promises import CureError, check_promises
from flatfield.cure.subject import Array, Subject
from flatfield.cure_report import CurePlan, CureReport, Figures, LayerUnevenness, OutputChange

__all__ = ["CureError", "change", "figures", "verified"]

_ROUNDS, _SECONDS = 9, 1.0  # of interleaved timing: so many rounds, or as many as fit


@dataclass
class Difference:
    """Running sums over outputs before and after."""

    moved: float = 0.0
    size: float = 0.0
    count: int = 0
    largest: float = 0.0
    low: float = math.inf
    high: float = -math.inf

    def add(self, before: Array, after: Array) -> None:
        """Add one output of one batch; shapes are equal."""
        if before.size == 0:
            return
        old, new = before.astype(np.float64), after.astype(np.float64)
        moved = np.abs(new - old)
        self.moved += float(np.sum(moved**2))
        self.size += float(np.sum(old**2))
        self.count += old.size
        self.largest = max(self.largest, float(moved.max()))
        self.low, self.high = min(self.low, float(old.min())), max(self.high, float(old.max()))

    def change(self) -> OutputChange:
        """Sum up: relative to the size of the original's outputs, PSNR relative to their range."""
        if self.moved == 0.0 or self.count == 0:
            return OutputChange(0.0, 0.0)
        relative = math.sqrt(self.moved / self.size) if self.size > 0 else math.sqrt(self.moved / self.count)
        error, span = math.sqrt(self.moved / self.count), self.high - self.low
        return OutputChange(relative, self.largest, 20 * math.log10(span / error) if span > 0 else None)


@dataclass
class Pair:
    """Two models side by side on the same examples."""

    before: Subject
    after: Subject
    difference: Difference = field(default_factory=Difference)

    def run(self, examples: Examples, progress: Progress) -> Iterator[tuple[list[Array], list[Array]]]:
        """Run both on every batch; raises `CureError` where shapes differ or what was finite no longer is."""
        for place, batch in enumerate(examples.batches):
            progress("verifying", place, len(examples.batches))
            old = self.before.outputs(batch, examples.keywords)
            new = self.after.outputs(batch, examples.keywords)
            _check_outputs(old, new)
            for one, other in zip(old, new, strict=True):
                self.difference.add(one, other)
            yield old, new
        progress("verifying", len(examples.batches), len(examples.batches))


def _check_outputs(old: list[Array], new: list[Array]) -> None:
    if len(old) != len(new):
        raise CureError(f"the cured model has {len(new)} outputs, the original {len(old)}: nothing is written")
    for place, (one, other) in enumerate(zip(old, new, strict=True)):
        if one.shape != other.shape:
            raise CureError(
                f"output {place} of the cured model is {other.shape}, the original's is {one.shape}: nothing is written"
            )
        if np.isfinite(one).all() and not np.isfinite(other).all():
            raise CureError(f"output {place} of the cured model holds NaN or infinity: nothing is written")


def change(before: Subject, after: Subject, examples: Examples, progress: Progress = unheard) -> OutputChange:
    """Say how far the outputs for the examples moved; raises `CureError` where shapes differ or numbers are lost."""
    pair = Pair(before, after)
    for _ in pair.run(examples, progress):
        pass
    return pair.difference.change()


def figures(subject: Subject, examples: Examples, *, gradient: bool = False) -> Figures:
    """Measure one model: unevenness of its layers, the probe, the grid in its natural outputs, and its multiply-adds.

    `gradient`: probe a flat gradient too. Time is not measured: two models are timed in turn, by `verified`.
    """
    grid = NaturalGrid(output_period(subject.network))
    for batch in examples.batches:
        for output in subject.outputs(batch, examples.keywords)[:1]:
            grid.add(output)
    return _figures(subject, grid, gradient=gradient)


def _figures(subject: Subject, grid: NaturalGrid, *, gradient: bool) -> Figures:
    network = subject.network
    lattice, p_value = grid.lattice()
    probe = subject.probe()
    back = subject.gradient() if gradient else None
    if back is not None:
        probe = replace(probe, gradient=back.gradient) if probe else back
    return Figures(
        layers=tuple(LayerUnevenness(layer.name, layer.unevenness) for layer in network.layers if layer.upsamples),
        probe=probe,
        natural=grid.rms,
        lattice=lattice,
        p_value=p_value,
        multiply_adds=sum(layer.multiply_adds for layer in network.layers),
    )


def verified(
    plan: CurePlan,
    before: Subject,
    after: Subject,
    examples: Examples,
    *,
    notes: tuple[str, ...] = (),
    progress: Progress = unheard,
) -> CureReport:
    """Hold what a cure did against its plan, and measure both models: the report that decides what is written.

    Raises `CureError` where shapes differ, where numbers are lost, where the plan's promise is not kept (a layer that
    should be flat is not, one that the plan does not name has changed), and where a change that should be exact (fuse,
    unfuse) moves the outputs by more than 1e-5 of their size.
    """
    period = output_period(before.network)
    grids = NaturalGrid(period), NaturalGrid(period)
    pair = Pair(before, after)
    for old, new in pair.run(examples, progress):
        for grid, outputs in zip(grids, (old, new), strict=True):
            if outputs:
                grid.add(outputs[0])
    moved = pair.difference.change()
    check_promises(plan, before, after, moved)
    progress("probing", 0, 2)
    first = _figures(before, grids[0], gradient=plan.how == "blur")
    progress("probing", 1, 2)
    last = _figures(after, grids[1], gradient=plan.how == "blur")
    progress("probing", 2, 2)
    times = timed(before, after, examples, progress)
    first, last = (replace(one, milliseconds=spent) for one, spent in zip((first, last), times, strict=True))
    return CureReport(plan, first, last, moved, notes, __version__)


def timed(before: Subject, after: Subject, examples: Examples, progress: Progress = unheard) -> tuple[float, float]:
    """Time one run of each on the first batch, in turn, on one thread, in the processor's own time: medians in ms."""
    batch = examples.batches[0]
    calls: list[Callable[[], None]] = [lambda: before.call(batch, examples.keywords),
                                       lambda: after.call(batch, examples.keywords)]  # fmt: skip
    taken: tuple[list[float], list[float]] = ([], [])
    began = time.perf_counter()
    with before.single_threaded(), after.single_threaded():
        for turn in range(_ROUNDS + 1):
            progress("timing", turn, _ROUNDS + 1)
            for call, spent in zip(calls, taken, strict=True):
                start = time.process_time()
                call()
                spent.append(time.process_time() - start)
            if turn and time.perf_counter() - began > _SECONDS:
                break
    progress("timing", _ROUNDS + 1, _ROUNDS + 1)
    # the first round warms up
    first, last = (1e3 * statistics.median(spent[1:]) for spent in taken)
    return first, last
