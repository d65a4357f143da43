"""Beyond constants: the same run with a ramp and with stripes, where flat on constants is not enough.

Interpolation by nearest neighbours is flat on constants and makes stairs of a ramp (it has order 1); a transposed
convolution that is flat at points may still ripple along a straight edge (design, section 3). No framework: whoever
runs the network gives its output and the periods of that.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from flatfield.core.taps import Ints
from flatfield.probe.patterns import RAMP, STRIPES
from flatfield.probe.period import Periods
from flatfield.report import UnreadReport

Array = npt.NDArray[np.float64]
Runner = Callable[[str, Ints], tuple[Array, Periods]]
"""Give the output for a pattern on a field of a size, with its periods; raises where that can't be run."""

_LENGTH = 32  # positions of a ramp where the flat field begins: half up, half down
_STRIPES = 8
_SHORT = 16  # positions that make a ramp at the least


@dataclass(frozen=True)
class Beyond:
    """What the runs beyond constants found; `missing` are those that could not be made."""

    ramp: float | None = None
    stripes: float | None = None
    missing: tuple[UnreadReport, ...] = ()


def beyond(run: Runner, natural: Ints, least: Ints, period: int) -> Beyond:
    """Run with a ramp and with stripes, on the smallest field that the network takes.

    `natural` is the size of the field in the example, `least` what the strides behind it make one position of, and
    `period` that of the output's last axis on a flat field.
    """
    missing = []
    found: dict[str, float | None] = {RAMP: None, STRIPES: None}
    for kind in (RAMP, STRIPES) if len(least) > 1 else (RAMP,):
        failure = UnreadReport(kind, "", "the example is too small for it")
        for size in _sizes(kind, natural, least):
            try:
                output, periods = run(kind, size)
                found[kind] = ramp_of(output, periods, size[-1], period) if kind == RAMP else ripple(output, periods)
            except Exception as error:  # whatever a network makes of a size that it was not made for
                reason = " ".join(str(error).split())[:160] or "no message"
                told = f"the network does not run on a field of {' x '.join(map(str, size))}: {reason}"
                failure = UnreadReport(kind, type(error).__name__, told)
                continue
            break
        if found[kind] is None:
            missing.append(failure)
    return Beyond(found[RAMP], found[STRIPES], tuple(missing))


def _sizes(kind: str, natural: Ints, least: Ints) -> Iterator[Ints]:
    """The least field that a pattern fits on, twice that, and the example's own where it is large enough."""
    for factor in (1, 2):
        small = tuple(step * factor for step in least)
        yield (*small[:-1], small[-1] * _LENGTH) if kind == RAMP else (*(n * _STRIPES for n in small[:-1]), small[-1])
    room = (natural[-1:], least[-1:]) if kind == RAMP else (natural[:-1], least[:-1])
    times = _SHORT if kind == RAMP else 2
    if natural and all(n >= times * step for n, step in zip(*room, strict=True)):
        yield natural


def ramp_of(output: Array, periods: Periods, positions: int, period: int) -> float:
    """Measure the grid on a ramp of `positions`, relative to its rise over one period of the grid.

    0 is a ramp that stays one; nearest neighbours by a factor 2 give 0.25. Raises `ValueError` where the output is no
    ramp that this can be said of.
    """
    line = _last(output, periods)
    factor = Fraction(line.shape[-1], positions)
    found = stairs(line, math.lcm(max(1, int(factor)), max(1, period)), line.shape[-1] // 2)
    if found is None or (factor < 1 and factor.numerator > 1):
        raise ValueError("what comes out is no ramp, or too short to tell")
    return found


def stairs(line: Array, period: int, rising: int) -> float | None:
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
    first = rising // 4
    count = (rising // 2) // period
    if count < 1 or len(window) > line.shape[-1]:
        return None
    trend = np.apply_along_axis(np.convolve, -1, line, window / period, "same")
    middle = slice(first, first + count * period)
    folded = (line - trend)[..., middle].reshape(*line.shape[:-1], count, period).mean(axis=-2)
    folded = folded - folded.mean(axis=-1, keepdims=True)
    rise = (trend[..., middle.stop] - trend[..., middle.start]) / count
    strength = float(np.sqrt(np.mean(rise**2)))
    return float(np.sqrt(np.mean(folded**2))) / strength if strength > 0 else None


def ripple(output: Array, periods: Periods) -> float:
    """Measure the unevenness along stripes, over whole periods of the last axis.

    >>> ripple(np.array([[1.0, 3.0], [2.0, 6.0]]), (8, 2))
    0.4472135954999579
    """
    values = _last(output, periods)
    period = max(1, periods[max(axis for axis, p in enumerate(periods) if p > 0)])
    length = values.shape[-1]
    values = values[..., : length - length % period if period <= length else length]
    power = float(np.mean(values**2))
    along = float(np.mean((values - values.mean(axis=-1, keepdims=True)) ** 2))
    return min(1.0, math.sqrt(along / power)) if power > 0 else 0.0


def _last(output: Array, periods: Periods) -> Array:
    """The output with its last axis of positions last."""
    return np.moveaxis(output, max(axis for axis, p in enumerate(periods) if p > 0), -1)
