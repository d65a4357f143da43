"""Reach: how far beyond its window a layer looks; whole numbers, no framework."""

from __future__ import annotations

from fractions import Fraction

from flatfield.core.taps import Ints
from flatfield.probe.unhonoured import WindowTooSmallError


def gather_sides(
    size: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, *, ceil: bool = False
) -> list[tuple[int, int]]:
    """How far a gathering layer looks beyond its window: (before, after) an axis, never less than 0.

    It has `(n + 2p - d(k - 1) - 1) // s + 1` outputs (rounded up if asked, but none that starts in the padding),
    and the last one reads up to `(outputs - 1) s + d(k - 1) - p`.

    >>> gather_sides((8,), (3,), (2,), (1,), (1,))
    [(1, 0)]
    """
    sides = []
    for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True):
        reach = d * (k - 1) + 1
        spare = n + 2 * p - reach
        outputs = (-(-spare // s) if ceil else spare // s) + 1
        if ceil and (outputs - 1) * s >= n + p:
            outputs -= 1
        if outputs < 1:
            raise WindowTooSmallError(f"a kernel of {reach} positions on {n}")
        sides.append((p, max(0, (outputs - 1) * s + reach - n - p)))
    return sides


def spread_sides(size: Ints, outputs: Ints, reach: Ints, stride: Ints, padding: Ints) -> list[tuple[int, int]]:
    """How many more inputs write into the outputs of a spreading layer: (before, after) an axis.

    Output m hears input n where `0 <= m + p - s n <= reach - 1`.

    >>> spread_sides((4,), (8,), (3,), (2,), (1,))
    [(0, 1)]
    """
    return [
        (max(0, (r - 1 - p) // s), max(0, (m - 1 + p) // s - (n - 1)))
        for n, m, r, s, p in zip(size, outputs, reach, stride, padding, strict=True)
    ]


def times(sides: list[tuple[int, int]], stride: Ints) -> list[tuple[int, int]]:
    """Margins of a spreading layer's input, in positions of its output.

    >>> times([(1, 2)], (3,))
    [(3, 6)]
    """
    return [(before * s, after * s) for (before, after), s in zip(sides, stride, strict=True)]


def same_factor(before: Ints, after: Ints, size: Ints, outputs: Ints) -> bool:
    """True where `size -> outputs` enlarges as `before -> after` does, but for a position that sizes were rounded by.

    A network that resizes to a size that it has fixed is another one on a torus of another size.

    >>> same_factor((7,), (13,), (2,), (4,)), same_factor((8,), (16,), (2,), (16,))
    (True, False)
    """
    return all(
        abs(m - Fraction(outputs[axis], size[axis]) * n) <= 1
        for axis, (n, m) in enumerate(zip(before, after, strict=True))
    )
