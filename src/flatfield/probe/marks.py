"""Marks: numbers on the axes of a network's inputs that tell, at any layer, which axis arrives there and how coarse.

Which axes hold positions is nothing that an input says: a picture may come channels last, a sequence before its
features. It is the layers that say it, by the axes they look along.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from flatfield.core.taps import Ints
from flatfield.probe.period import OTHER, Periods

_PRIMES = (1000000007, 1000000009, 1000000021, 1000000033, 1000000087, 1000000093, 1000000097, 1000000103, 1000000123,
           1000000181, 1000000207, 1000000223, 1000000241, 1000000271, 1000000289, 1000000297)  # fmt: skip
_STEPS = 2**48 * 3**16 * 5**8 * 7**4


@dataclass(frozen=True)
class Source:
    """One input: which of its axes hold positions, in the order in which layers with `rank` axes look along them.

    `steps` are the coarsest steps, in positions of the input, that the strides of the network take along each.
    """

    axes: Ints
    rank: int
    steps: Ints


@dataclass
class Marks:
    """An axis is marked, as if it were a period, by a prime of its own times a number that usual strides divide.

    Behind a stride of 2 half of that is left: the prime still tells the axis, and what is missing tells the stride.

    >>> marks = Marks()
    >>> _, channels, wide = marks.put((1, 3, 64))
    >>> marks.reach((wide,)), marks.reach((wide // 2,))
    (None, None)
    >>> marks.sources
    {0: Source(axes=(2,), rank=1, steps=(2,))}
    """

    marked: list[tuple[int, int]] = field(default_factory=list)
    inputs: int = 0
    reached: dict[int, dict[int, tuple[int, int, int]]] = field(default_factory=dict)

    def put(self, shape: Ints) -> Periods:
        """Mark every axis of the next input but the first (the batch); beyond sixteen axes there are no marks."""
        source, self.inputs = self.inputs, self.inputs + 1
        marks = [OTHER] * len(shape)
        for axis in range(1, len(shape)):
            if len(self.marked) < len(_PRIMES):
                marks[axis] = _PRIMES[len(self.marked)] * _STEPS
                self.marked.append((source, axis))
        return tuple(marks)

    def read(self, mark: int) -> Iterator[tuple[int, int, int]]:
        """Give (input, axis, step) of every mark in a number: several axes may have met elementwise."""
        for prime, (source, axis) in zip(_PRIMES, self.marked, strict=False):
            if mark > 0 and mark % prime == 0:
                yield source, axis, _STEPS // math.gcd(mark, _STEPS)

    def reach(self, space: Periods) -> None:
        """Note what arrives at the axes that a layer looks along, or leaves there."""
        for place, mark in enumerate(space):
            for source, axis, step in self.read(mark):
                known = self.reached.setdefault(source, {})
                first, rank, before = known.get(axis, (place, len(space), 1))
                known[axis] = first, rank, math.lcm(before, step)

    def hold_positions(self, periods: Periods, shape: Ints) -> bool:
        """True where an axis of several entries comes from one that a layer has looked along."""
        marks = [mark for mark, n in zip(periods, shape, strict=True) if n > 1]
        return any(axis in self.reached.get(source, ()) for mark in marks for source, axis, _ in self.read(mark))

    @property
    def sources(self) -> dict[int, Source]:
        """Inputs with axes that layers look along."""
        found = {}
        for source, known in self.reached.items():
            rank = max(rank for _, rank, _ in known.values())
            axes = sorted((axis for axis in known if known[axis][1] == rank), key=lambda axis: known[axis][0])
            found[source] = Source(tuple(axes), rank, tuple(known[axis][2] for axis in axes))
        return found
