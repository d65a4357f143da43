"""Profile: which layer costs you the grid; runs of one network put together into a `ProbeReport`."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from flatfield.core.taps import Ints
from flatfield.probe.attempts import natural_and_least, settled_plan
from flatfield.probe.beyond import Beyond, beyond
from flatfield.probe.first_pass import FirstPass
from flatfield.probe.flat_field import whole_periods
from flatfield.probe.gradient import probe_gradient
from flatfield.probe.gradient_grid import with_gradient
from flatfield.probe.passage import Passage, Subject, subject
from flatfield.probe.peeling import Run, assembled, peel
from flatfield.probe.period import Periods
from flatfield.probe.plan import Plan
from flatfield.probe.tile import Tile
from flatfield.probe.unhonoured import NoGridError, UnknownLayerError
from flatfield.report import ProbeReport
from flatfield.targets import Opened


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
    of the module is changed. Raises `NoGridError` where nothing flat reaches an output with positions,
    `UnknownLayerError`, `NotFiniteError`, and whatever the module raises.

    >>> report = probe_module(nn.ConvTranspose2d(1, 1, 3, stride=2, bias=False), torch.ones(1, 1, 4, 4))
    >>> report.period, [layer.name for layer in report.layers]
    ((2, 2), ['convolution'])
    """
    whole = subject(module, inputs, keywords)
    with whole.untouched:
        return _probed(whole, at, freeze=freeze, patterns=patterns, rate=rate)


def _probed(whole: Subject, at: str, *, freeze: bool, patterns: bool, rate: float | None) -> ProbeReport:
    seen = whole.first_pass()
    start = {"input": ":input"}.get(at, at)
    if at and at != "input" and not any(n == at or n.startswith(f"{at}.") for n in seen.layers):
        raise UnknownLayerError(at, seen.layers)
    plan, first = settled_plan(whole, seen, Plan(start, freeze=freeze))
    return profile(whole, seen, plan, first, patterns=patterns, rate=rate)


def probe_opened(opened: Opened, *, at: str = "", rate: float | None = None) -> ProbeReport | None:
    """Probe a PyTorch target forwards (with ramp and stripes) and backwards; None where it has no grid to show.

    With `at` that is no answer: raises `NoGridError`. A run backwards that fails is listed as missing.
    """
    found: ProbeReport | None = None
    with contextlib.nullcontext() if at else contextlib.suppress(NoGridError):
        found = probe_module(opened.model, opened.inputs, keywords=opened.keywords, at=at, patterns=True, rate=rate)
    return with_gradient(found, lambda: probe_gradient(opened.model, opened.inputs, keywords=opened.keywords))


def profile(
    whole: Subject, seen: FirstPass, plan: Plan, first: Passage, *, patterns: bool = False, rate: float | None = None
) -> ProbeReport:
    """Profile every layer: a run for each one that draws, all earlier ones flattened."""
    run = Run(values_of(first), first.steps)

    before = first

    def again(level: int) -> Run:
        nonlocal before
        before = whole.run(replace(plan, level=level), seen, before)
        # cut as the first run is, whose periods are multiples of these: what is left is what an upsampler takes away
        return Run(values_of(replace(before, periods=first.periods)), before.steps)

    report = assembled(run, peel(run, again), tile_of(first), start=first.start, ledger=first.ledger, rate=rate)
    if not patterns:
        return report
    found = _beyond(whole, seen, plan, first)
    return replace(report, ramp=found.ramp, stripes=found.stripes, missing=found.missing)


def _beyond(whole: Subject, seen: FirstPass, plan: Plan, first: Passage) -> Beyond:
    def run(pattern: str, size: Ints) -> tuple[npt.NDArray[np.float64], Periods]:
        passage = whole.run(replace(plan, pattern=pattern, size=size), seen)
        passage.ledger.refuse_more_than(first.ledger)
        return passage.output.detach().to("cpu", torch.float64).numpy(), passage.periods

    natural, least = natural_and_least(seen, plan.start, plan.dims)
    return beyond(run, natural or first.size, least or first.size, [p for p in first.periods if p > 0][-1])


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
