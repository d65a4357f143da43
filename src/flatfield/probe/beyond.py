"""Beyond constants: the same run with a ramp and with stripes, where flat on constants is not enough.

Interpolation by nearest neighbours is flat on constants and makes stairs of a ramp (it has order 1); a transposed
convolution that is flat at points may still ripple along a straight edge (design, section 3).
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from flatfield.core.taps import Ints
from flatfield.probe.first_pass import FirstPass
from flatfield.probe.passage import Passage, Subject
from flatfield.probe.patterns import RAMP, STRIPES
from flatfield.probe.plan import Plan

_LENGTH = 32  # positions of a ramp where the flat field begins: half up, half down
_STRIPES = 8


def ramp_grid(whole: Subject, seen: FirstPass, plan: Plan, first: Passage) -> float | None:
    """Run with a ramp along the last axis; the grid on it relative to its rise over one period.

    0 is a ramp that stays one; nearest neighbours by a factor 2 give 0.25. None where the network can't be run on
    something so long, or its size does not follow the input's.
    """
    size = (*first.size[:-1], first.size[-1] * _LENGTH)
    passage = _run(whole, seen, replace(plan, pattern=RAMP, size=size))
    if passage is None:
        return None
    line = _lines(passage)
    factor = line.shape[-1] / size[-1]
    period = math.lcm(int(factor) or 1, max(1, first.periods[-1]))
    if factor != int(factor) and factor < 1:
        return None
    return stairs(line, period, line.shape[-1] // 2)


def stairs(line: npt.NDArray[np.float64], period: int, rising: int) -> float | None:
    """Measure the grid of `period` on the first `rising` positions of a line, relative to its rise over a period.

    The trend is the moving average over a period, half an end's weight on each side where the period is even: it
    leaves any straight line as it is. What stays is averaged phase by phase over the middle half.

    >>> stairs(np.repeat(np.arange(16.0), 2)[None], 2, 32)
    0.25
    """
    if period < 2:
        return 0.0
    window = np.ones(period + 1 - period % 2)
    if period % 2 == 0:
        window[[0, -1]] = 0.5
    trend = np.apply_along_axis(np.convolve, -1, line, window / period, "same")
    first = rising // 4
    count = (rising // 2) // period
    if count < 1:
        return None
    middle = slice(first, first + count * period)
    folded = (line - trend)[..., middle].reshape(*line.shape[:-1], count, period).mean(axis=-2)
    folded = folded - folded.mean(axis=-1, keepdims=True)
    rise = (trend[..., middle.stop] - trend[..., middle.start]) / count
    strength = float(np.sqrt(np.mean(rise**2)))
    return float(np.sqrt(np.mean(folded**2))) / strength if strength > 0 else None


def stripes_grid(whole: Subject, seen: FirstPass, plan: Plan, first: Passage) -> float | None:
    """Run with stripes along the last axis; the unevenness along them. None in one dimension."""
    if len(first.size) < 2:
        return None
    size: Ints = (*(n * _STRIPES for n in first.size[:-1]), first.size[-1])
    passage = _run(whole, seen, replace(plan, pattern=STRIPES, size=size))
    if passage is None:
        return None
    values = _lines(passage)
    period = max(1, passage.periods[-1])
    whole_length = values.shape[-1] - values.shape[-1] % period if period <= values.shape[-1] else values.shape[-1]
    values = values[..., :whole_length]
    power = float(np.mean(values**2))
    along = float(np.mean((values - values.mean(axis=-1, keepdims=True)) ** 2))
    return min(1.0, math.sqrt(along / power)) if power > 0 else 0.0


def _run(whole: Subject, seen: FirstPass, plan: Plan) -> Passage | None:
    try:
        return whole.run(plan, seen)
    except Exception:
        return None


def _lines(passage: Passage) -> npt.NDArray[np.float64]:
    """The output with its last axis of positions last."""
    axis = max(a for a, p in enumerate(passage.periods) if p > 0)
    return np.asarray(np.moveaxis(passage.output.detach().double().cpu().numpy(), axis, -1))
