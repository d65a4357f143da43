"""Intervals over seeds: means, shares and slopes, each with the numbers between which it lies with 95% confidence."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv, stdtrit

LEVEL = 0.95
ROUNDING = 1e-9
"""What is smaller than this is left over from rounding: how much of it there is means nothing."""
Numbers = Sequence[float] | npt.NDArray[np.floating]


@dataclass(frozen=True)
class Interval:
    """An estimate and the interval around it; `count` values went into it. Bounds are NaN where one value says nothing.

    >>> Interval(2.0, 1.5, 2.5, 5).excludes(1.0), Interval(2.0, 1.5, 2.5, 5).excludes(1.6)
    (True, False)

    Narrow intervals show more digits:

    >>> print(Interval(25.974, 25.931, 26.017, 5))
    25.974 [25.931, 26.017]
    """

    estimate: float
    low: float
    high: float
    count: int

    def excludes(self, value: float) -> bool:
        """Whether `value` lies outside; False where the bounds are unknown."""
        return self.low > value or self.high < value

    def __str__(self) -> str:
        if math.isnan(self.low):
            return f"{self.estimate:.3g}"
        if max(abs(self.low), abs(self.high)) < ROUNDING:
            return f"{self.estimate:.0g}"
        digits = self._digits()
        return f"{self.estimate:.{digits}g} [{self.low:.{digits}g}, {self.high:.{digits}g}]"

    def _digits(self) -> int:
        """As many as give the width of the interval two of its own, three at least."""
        width, largest = self.high - self.low, max(abs(self.low), abs(self.high))
        if width <= 1e-9 * largest or not math.isfinite(width):
            return 3
        return max(3, math.floor(math.log10(largest)) - math.floor(math.log10(width)) + 2)


def mean_interval(values: Numbers, level: float = LEVEL) -> Interval:
    """Give the mean of independent values with Student's t interval.

    Two values, 1 and 3: the standard error is 1, and t(0.975) of one degree of freedom is 12.706.

    >>> str(mean_interval([1.0, 3.0]))
    '2 [-10.7, 14.7]'
    """
    data = _finite(values)
    if len(data) < 2:
        return Interval(float(data.mean()) if len(data) else math.nan, math.nan, math.nan, len(data))
    error = float(data.std(ddof=1)) / math.sqrt(len(data))
    reach = float(stdtrit(len(data) - 1, 0.5 + level / 2)) * error
    mean = float(data.mean())
    return Interval(mean, mean - reach, mean + reach, len(data))


def paired_difference(first: Numbers, second: Numbers, level: float = LEVEL) -> Interval:
    """Give the mean of `first - second`, pair by pair (the same seed: the same batches), with its t interval.

    >>> paired_difference([2.0, 3.0, 4.0], [1.0, 2.0, 3.0]).estimate
    1.0
    """
    return mean_interval(np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64), level)


def bootstrap_interval(
    values: Numbers,
    statistic: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]] = np.median,
    *,
    level: float = LEVEL,
    draws: int = 9999,
    seed: int = 0,
) -> Interval:
    """Give a statistic with its bootstrap percentile interval (Efron 1979), for what has no t interval.

    `statistic` is called as numpy's are, with `axis=-1`.

    >>> interval = bootstrap_interval([1.0, 2.0, 3.0, 4.0, 5.0])
    >>> interval.estimate, interval.low, interval.high
    (3.0, 1.0, 5.0)
    """
    data = _finite(values)
    if len(data) < 2:
        return Interval(float(data[0]) if len(data) else math.nan, math.nan, math.nan, len(data))
    random = np.random.default_rng(seed)
    drawn = data[random.integers(len(data), size=(draws, len(data)))]
    spread = statistic(drawn, axis=-1)  # type: ignore[call-arg]
    low, high = np.quantile(spread, [0.5 - level / 2, 0.5 + level / 2])
    return Interval(float(statistic(data, axis=-1)), float(low), float(high), len(data))  # type: ignore[call-arg]


def share_interval(hits: int, count: int, level: float = LEVEL) -> Interval:
    """Give a share with its exact interval (Clopper & Pearson 1934), which is honest at 0 and at 1 too.

    No hit in 200 still allows a share of nearly 2%:

    >>> str(share_interval(0, 200))
    '0 [0, 0.0183]'
    """
    if count == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    tail = (1 - level) / 2
    low = float(betaincinv(hits, count - hits + 1, tail)) if hits else 0.0
    high = float(betaincinv(hits + 1, count - hits, 1 - tail)) if hits < count else 1.0
    return Interval(hits / count, low, high, count)


def slope_interval(x: Numbers, y: Numbers, level: float = LEVEL) -> Interval:
    """Give the slope of the least-squares line through (x, y) with its t interval.

    A line without noise has an interval of no width; `ValueError` where all x are equal.

    >>> str(slope_interval([0.0, 1.0, 2.0, 3.0], [1.0, 3.0, 5.0, 7.0]))
    '2 [2, 2]'
    """
    horizontal, vertical = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    away = horizontal - horizontal.mean()
    spread = float(away @ away)
    if spread == 0.0:
        raise ValueError(f"all {len(horizontal)} values of x are equal: they have no slope")
    slope = float(away @ vertical) / spread
    free = len(horizontal) - 2
    if free < 1:
        return Interval(slope, math.nan, math.nan, len(horizontal))
    rest = vertical - vertical.mean() - slope * away
    error = math.sqrt(float(rest @ rest) / free / spread)
    reach = float(stdtrit(free, 0.5 + level / 2)) * error
    return Interval(slope, slope - reach, slope + reach, len(horizontal))


def _finite(values: Numbers) -> npt.NDArray[np.float64]:
    data = np.asarray(values, dtype=np.float64)
    return data[np.isfinite(data)]
