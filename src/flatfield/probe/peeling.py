"""Peeling: runs in which one layer after the other is flattened, put together into a `ProbeReport`; numpy alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from flatfield.core.taps import Ints
from flatfield.probe.plan import Step
from flatfield.probe.tile import Tile
from flatfield.probe.unhonoured import Ledger, NotFiniteError
from flatfield.report import ProbeLayerReport, ProbeReport

_STILL = 1e-6  # a layer whose output is that even on its own brings nothing in


@dataclass(frozen=True)
class Run:
    """One run: whole periods of the output as (channels, *space), and what was noted of every layer."""

    values: npt.NDArray[np.float64]
    steps: tuple[Step, ...]

    @property
    def drawing(self) -> tuple[Step, ...]:
        """The layers that upsample."""
        return tuple(step for step in self.steps if step.upsamples)


@dataclass(frozen=True)
class Part:
    """What one layer alone draws: its unevenness behind it, and its part of the output (None: nothing)."""

    alone: float
    tile: Tile | None


def peel(first: Run, again: Callable[[int], Run]) -> tuple[Part, ...]:
    """Peel the layers off, first to last: what goes with a layer is its part, and the parts sum up to the grid.

    `again(n)` is a run with the first n upsampling layers flattened. A layer that gets something flat and leaves it
    flat draws nothing: no run is spent on it.
    """
    run, parts = first, []
    count = len(first.drawing)
    for place in range(count):
        step = run.drawing[place]
        if step.after <= _STILL or (step.operator == "Resize" and step.before <= _STILL):
            parts.append(Part(step.after, None))
            continue
        here = run.values
        if place + 1 < count:
            run = again(place + 1)
            rest = run.values
        else:
            rest = here.mean(axis=tuple(range(1, here.ndim)), keepdims=True)
        parts.append(Part(step.after, Tile(here - rest)))
    return tuple(parts)


def assembled(
    first: Run, parts: tuple[Part, ...], output: Tile, *, start: str, ledger: Ledger, rate: float | None = None
) -> ProbeReport:
    """Write the report: a row for every layer, the output's own numbers, one tile.

    Raises `NotFiniteError` for an output that holds anything but numbers.
    """
    if not np.isfinite(output.values).all():
        raise NotFiniteError("the output on a flat field is not finite: it holds infinity, or what is no number")
    power = sum(part.tile.power for part in parts if part.tile) or 1.0
    size = float(np.abs(output.values).max(initial=0.0))
    window = first.values.shape[1:]

    def seen(period: Ints) -> Ints:
        """The period, where one was seen: a run that is not exact may have none, and then all of its window differs."""
        whole = any(1 < p == n for p, n in zip(period, window, strict=True))
        return () if whole and ledger.entries else period

    rows, place = [], 0
    for step in first.steps:
        row = ProbeLayerReport(step.name, step.operator, step.before, step.after)
        if step.upsamples:
            row, place = _filled(row, parts[place], power, size), place + 1
        rows.append(replace(row, period=seen(row.period)) if row.period else row)
    period = seen(output.period)
    listed, shape = output.listed() if period else ((), ())
    return ProbeReport(
        unevenness=output.unevenness,
        peak_to_peak=output.peak_to_peak,
        period=period,
        layers=tuple(rows),
        start=start,
        tile=listed,
        tile_shape=shape,
        tones=output.tones(rate) if rate else (),
        unhonoured=tuple(ledger.entries.values()),
    )


def _filled(row: ProbeLayerReport, part: Part, power: float, size: float) -> ProbeLayerReport:
    if part.tile is None:
        return replace(row, alone=part.alone, share=0.0, peak_to_peak=0.0)
    return replace(
        row,
        alone=part.alone,
        share=part.tile.power / power,
        peak_to_peak=part.tile.peak_to_peak,
        period=part.tile.period_for(size),
    )
