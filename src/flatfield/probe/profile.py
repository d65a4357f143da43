"""Profile: which layer costs you the grid; runs of one network put together into a `ProbeReport`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from flatfield.probe.attempts import settled_plan
from flatfield.probe.beyond import ramp_grid, stripes_grid
from flatfield.probe.first_pass import FirstPass
from flatfield.probe.flat_field import whole_periods
from flatfield.probe.passage import Passage, Subject, subject
from flatfield.probe.tile import Tile
from flatfield.probe.torus import Plan
from flatfield.probe.unhonoured import NoGridError
from flatfield.report import ProbeLayerReport, ProbeReport
from flatfield.targets import Opened

_STILL = 1e-6  # a layer whose output is that even on its own brings nothing in


def probe_module(
    module: nn.Module,
    inputs: Sequence[Any] | torch.Tensor,
    *,
    keywords: Mapping[str, Any] | None = None,
    at: str = "",
    freeze: bool = True,
    patterns: bool = False,
    rate: float | None = None,
) -> ProbeReport:
    """Run a PyTorch module on a flat field and say how uneven its output is, and by which layer.

    `inputs` is an example input: the flat field has its channel means, and normalisation layers use its statistics
    (`freeze=False`: each run's own). `at` names the layer at whose input the flat field begins ("input": the
    network's own); without it, the first layer that upsamples, or the input where something goes round that layer.
    `patterns` adds a run with a ramp and one with stripes; `rate` (Hz) gives the grid of a sound as tones. Nothing
    of the module is changed. Raises `NoGridError` where nothing flat reaches an output with positions, `ValueError`
    for an unknown layer, and whatever the module raises.

    >>> report = probe_module(nn.ConvTranspose2d(1, 1, 3, stride=2, bias=False), torch.ones(1, 1, 4, 4))
    >>> report.period, [layer.name for layer in report.layers]
    ((2, 2), ['conv_transpose2d'])
    """
    whole = subject(module, inputs, keywords)
    seen = whole.first_pass()
    start = {"input": ":input"}.get(at, at)
    if at and at != "input" and not any(n == at or n.startswith(f"{at}.") for n in seen.layers):
        raise ValueError(f"no layer {at!r} ran; those that did: {', '.join(dict.fromkeys(seen.layers))}")
    plan, first = settled_plan(whole, seen, Plan(start, freeze=freeze))
    return profile(whole, seen, plan, first, patterns=patterns, rate=rate)


def probe_opened(opened: Opened, *, rate: float | None = None) -> ProbeReport | None:
    """Probe a PyTorch target forwards, with ramp and stripes; None where it has no grid to show."""
    try:
        return probe_module(opened.model, opened.inputs, keywords=opened.keywords, patterns=True, rate=rate)
    except NoGridError:
        return None


def profile(
    whole: Subject, seen: FirstPass, plan: Plan, first: Passage, *, patterns: bool = False, rate: float | None = None
) -> ProbeReport:
    """Profile every layer: a run for each one that draws, all earlier ones flattened."""
    parts = _parts(whole, seen, plan, first)
    output = tile_of(first)
    whole_power = sum(part.tile.power for part in parts.values() if part.tile) or 1.0
    size = float(np.abs(output.values).max(initial=0.0))
    rows, place = [], 0
    for step in first.steps:
        row = ProbeLayerReport(step.name, step.operator, step.before, step.after)
        if step.upsamples:
            part, place = parts[place], place + 1
            row = _filled(row, part, whole_power, size)
        rows.append(row)
    listed, shape = output.listed()
    return ProbeReport(
        unevenness=output.unevenness,
        peak_to_peak=output.peak_to_peak,
        period=output.period,
        layers=tuple(rows),
        start=first.start,
        tile=listed,
        tile_shape=shape,
        tones=output.tones(rate) if rate else (),
        ramp=ramp_grid(whole, seen, plan, first) if patterns else None,
        stripes=stripes_grid(whole, seen, plan, first) if patterns else None,
        unhonoured=tuple(first.ledger.entries.values()),
    )


@dataclass(frozen=True)
class Part:
    """What one layer alone draws: its unevenness behind it, and its part of the output (None: nothing)."""

    alone: float
    tile: Tile | None


def _parts(whole: Subject, seen: FirstPass, plan: Plan, first: Passage) -> dict[int, Part]:
    """Peel the layers off, first to last: what goes with a layer is its part, and the parts sum up to the grid.

    A layer that gets something flat and leaves it flat draws nothing: no run is spent on it.
    """
    run, parts = first, {}
    count = first.upsamplers
    for place in range(count):
        step = [s for s in run.steps if s.upsamples][place]
        if step.after <= _STILL or (step.operator == "Resize" and step.before <= _STILL):
            parts[place] = Part(step.after, None)
            continue
        here = values_of(run)
        if place + 1 < count:
            run = whole.run(replace(plan, level=place + 1), seen)
            rest = values_of(run)
        else:
            rest = here.mean(axis=tuple(range(1, here.ndim)), keepdims=True)
        parts[place] = Part(step.after, Tile(here - rest))
    return parts


def _filled(row: ProbeLayerReport, part: Part, power: float, size: float) -> ProbeLayerReport:
    if part.tile is None:
        return replace(row, alone=part.alone, share=0.0, peak_to_peak=0.0)
    return replace(
        row,
        alone=part.alone,
        share=part.tile.power / power,
        peak_to_peak=float(np.ptp(part.tile.departure.reshape(len(part.tile.values), -1), axis=1).max(initial=0.0)),
        period=part.tile.period_for(size),
    )


def values_of(passage: Passage) -> npt.NDArray[np.float64]:
    """Whole periods of an output as (channels, *space): axes without positions all count as channels."""
    whole = whole_periods(passage.output, passage.periods).detach().to("cpu", torch.float64)
    space = [axis for axis, period in enumerate(passage.periods) if period > 0]
    channels = [axis for axis in range(whole.dim()) if axis not in space]
    moved = whole.permute(*channels, *space)
    return np.asarray(moved.reshape(-1, *(whole.shape[axis] for axis in space)).numpy())


def tile_of(passage: Passage) -> Tile:
    """The output of a run as a tile: whole periods, as predicted, of every axis with positions."""
    values = values_of(passage)
    space = [period for period in passage.periods if period > 0]
    return Tile(values[(slice(None), *(slice(0, min(p, n)) for p, n in zip(space, values.shape[1:], strict=True)))])
