"""Periods: where a tensor repeats itself, an axis at a time, followed through broadcasting and reshapes.

A tensor in a probe is a window on a plane that repeats for ever. `Periods` has a number an axis: the step after
which its content repeats (1: constant along the axis), or 0 for an axis without positions (channels, batch).
The window may hold any number of positions, whole periods or not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from flatfield.core.taps import Ints

Periods = Ints
OTHER = 0
"""The entry of an axis that holds no positions."""
COPY = -1
"""The entry of an axis of equal copies: a reshape decides whether they become positions."""
MIXED = -2
"""The entry of an axis of channels with positions inside: where those are can't be told any more."""


def spatial_axes(periods: Periods) -> tuple[int, ...]:
    """Axes that hold positions.

    >>> spatial_axes((0, 0, 1, 2))
    (2, 3)
    """
    return tuple(axis for axis, period in enumerate(periods) if period > 0)


def after_downsampling(period: int, stride: int) -> int:
    """Period behind a layer that walks in steps of `stride`: the least m with `m * stride` a multiple of the period.

    >>> after_downsampling(8, 2), after_downsampling(3, 2), after_downsampling(1, 4)
    (4, 3, 1)
    """
    return period // math.gcd(period, stride) if period > 0 else period


def after_upsampling(period: int, stride: int) -> int:
    """Period behind a layer that writes every `stride` positions: phases differ even where the input is flat.

    >>> after_upsampling(1, 2), after_upsampling(4, 2)
    (2, 8)
    """
    return period * stride if period > 0 else period


def together(shape: Ints, operands: Sequence[tuple[Ints, Periods]]) -> Periods:
    """Periods of operands that meet elementwise: the least common multiple, axes aligned at the end.

    >>> together((1, 3, 4, 6), [((1, 3, 4, 6), (0, 0, 2, 2)), ((1, 3, 1, 6), (0, 0, 1, 3))])
    (0, 0, 2, 6)
    """
    result = [OTHER] * len(shape)
    for sizes, periods in operands:
        for back in range(1, len(sizes) + 1):
            period = periods[-back]
            if period > 0 and len(shape) >= back:
                result[-back] = math.lcm(max(result[-back], 1), period)
            elif period < 0 and len(shape) >= back and result[-back] <= OTHER and sizes[-back] > 1:
                result[-back] = min(period, result[-back])
    return tuple(result)


def merged(sizes: Ints, periods: Periods) -> int:
    """Period of several axes laid out one inside the other (row-major), outermost first.

    Position `i * m + j` of an outer axis with period P and an inner one of size m and period Q repeats after Q
    if the outer one is constant and Q divides m, and always after `P * m`. Channels inside a position are a pixel
    shuffle; positions inside a channel are no positions any more.

    >>> merged((4, 6), (1, 3)), merged((4, 6), (2, 3)), merged((4, 2), (1, 0)), merged((8, 4), (0, 1)) == MIXED
    (3, 12, 2, True)
    """
    total, period = 1, OTHER
    for m, q in zip(sizes, periods, strict=True):
        if m == 1:
            period = period or (q if total == 1 else OTHER)
        elif total == 1:
            period = (1 if period > 0 and q == COPY else q) or (m if period > 0 else OTHER)
        elif period > 0 and q:
            period = abs(q) if period == 1 and m % q == 0 else period * m
        elif period > 0:
            period *= m
        else:
            period = MIXED if MIXED in (period, q) or q > 0 else min(period, q) if period == COPY == q else OTHER
        total *= m
    return period


def parted(period: int, sizes: Ints) -> Periods:
    """Periods of the axes that one axis is cut into (row-major), outermost first; axes of one entry hold no positions.

    >>> parted(3, (4, 6)), parted(12, (4, 6)), parted(0, (4, 6)), parted(12, (1, 6))
    ((1, 3), (2, 6), (0, 0), (0, 12))
    """
    if len(sizes) == 1:
        return (period,)
    if period > 0 and sum(n > 1 for n in sizes) == 1:
        return tuple(period if n > 1 else OTHER for n in sizes)
    parts: list[int] = []
    for size in reversed(sizes):
        if period <= 0:
            parts.append(period)
        elif size % period == 0:
            parts.append(period)
            period = 1
        elif period % size == 0:
            parts.append(size)
            period //= size
        else:
            parts.append(size)
            period = math.prod(sizes)
    return tuple(min(p, n) for p, n in zip(reversed(parts), sizes, strict=True))


def reshaped(periods: Periods, before: Ints, after: Ints) -> tuple[Periods, bool]:
    """Periods behind a reshape from `before` to `after`, and whether channels have become pixels on the way.

    >>> reshaped((0, 0, 1, 0, 1, 0), (1, 3, 4, 2, 4, 2), (1, 3, 8, 8))
    ((0, 0, 2, 2), True)
    """
    result: list[int] = []
    shuffled = False
    if before == after:
        return periods, False
    for taken, given in _groups(before, after):
        old, new = [before[i] for i in taken], tuple(after[j] for j in given)
        own = [periods[i] for i in taken]
        if len(taken) == 1 and len(given) == 1:
            result.append(own[0])
            continue
        if not taken:  # an axis of one entry
            result.extend([OTHER] * len(given))
            continue
        period = merged(tuple(old), tuple(own))
        positions = [p != OTHER for p, n in zip(own, old, strict=True) if n > 1]
        shuffled = shuffled or (period > 0 and not all(positions))
        result.extend(parted(period, new))
    return tuple(result), shuffled


def _groups(before: Ints, after: Ints) -> list[tuple[list[int], list[int]]]:
    """The smallest runs of axes on either side that hold the same number of entries, in order."""
    groups: list[tuple[list[int], list[int]]] = []
    i = j = 0
    while i < len(before) or j < len(after):
        taken: list[int] = []
        given: list[int] = []
        held = made = 1
        while i < len(before) or j < len(after):
            more = not taken or (bool(given) and held <= made) or j >= len(after)
            if i < len(before) and more:
                taken.append(i)
                held *= before[i]
                i += 1
            else:
                given.append(j)
                made *= after[j]
                j += 1
            if held == made and taken and (given or j >= len(after)):
                break
        groups.append((taken, given))
    return groups
