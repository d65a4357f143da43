"""Which frequencies belong to a period, and no other: the harmonics of a lattice.

A pattern that repeats every p pixels has its whole spectrum at the frequencies q/p. Those with gcd(q, p) = 1
belong to p alone (they are the *primitive* ones, the p-th Ramanujan subspace); q/p in lower terms belongs to a
divisor of p. So 1/2 speaks for period 2, 1/4 for period 4, and {2} can be told from {2, 4}.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import gcd

#: The periods asked for when nobody says which.
PERIODS = tuple(range(2, 17))


@dataclass(frozen=True)
class Harmonic:
    """One point (along, across) of the frequency plane, in cycles a pixel, that belongs to `period` alone.

    `along` is the frequency on the axis that is searched, `across` the one on the other axis; `axis` says
    which axis of the picture is searched: -1 for columns (x), -2 for rows (y).
    """

    period: int
    axis: int
    along: float
    across: float


def primitive(period: int) -> tuple[float, ...]:
    """List the frequencies q/p in (0, 1/2] with gcd(q, p) = 1, in cycles a pixel.

    >>> primitive(8)
    (0.125, 0.375)
    """
    return tuple(q / period for q in range(1, period // 2 + 1) if gcd(q, period) == 1)


def checked(periods: tuple[int, ...] | list[int] | range) -> tuple[int, ...]:
    """Sort the periods, each once; ValueError when one is not a whole number of 2 to 64 pixels.

    >>> checked([4, 2, 2])
    (2, 4)
    """
    out = sorted(set(periods))
    if not out:
        raise ValueError("periods is empty: name at least one, such as 2")
    for period in out:
        if period != int(period) or not 2 <= period <= 64:
            raise ValueError(f"period {period} is out of range: ask for whole pixels from 2 to 64")
    return tuple(int(period) for period in out)


def oblique(period: int, axis: int) -> tuple[tuple[float, float], ...]:
    """List the (along, across) pairs off the axes that are searched along `axis` (-1 columns, -2 rows).

    A pure checkerboard has nothing on the axes: for period 2 all of it is at (1/2, 1/2). The pair (1/4, 1/2) is
    searched along the axis of its 1/4: a grid of 2 that the picture modulates lifts the whole ridge at 1/2, and
    only neighbours on the same ridge tell whether a period 4 is on top of it. Beyond period 4 nothing is looked for
    off the axes: what an upsampler leaves is on them, and slanted natural texture is not.

    >>> oblique(2, -1), oblique(4, -1)
    (((0.5, 0.5),), ((0.25, 0.5), (0.25, 0.25), (-0.25, 0.25)))
    """
    low = 1 / period
    if period > 4:
        return ()
    ridge = ((low, 0.5),) if period == 4 else ()
    if axis == -2:
        return ridge
    return ((low, low),) if period == 2 else (*ridge, (low, low), (-low, low))


@lru_cache(maxsize=256)
def harmonics(periods: tuple[int, ...]) -> tuple[Harmonic, ...]:
    """List every harmonic looked at for these periods, axis by axis.

    Period 2 has three: columns, rows, and the checkerboard of both.

    >>> [(h.axis, h.along, h.across) for h in harmonics((2,))]
    [(-1, 0.5, 0.0), (-1, 0.5, 0.5), (-2, 0.5, 0.0)]
    """
    out = []
    for axis in (-1, -2):
        for period in periods:
            out += [Harmonic(period, axis, f, 0.0) for f in primitive(period)]
            out += [Harmonic(period, axis, f, g) for f, g in oblique(period, axis)]
    return tuple(out)
