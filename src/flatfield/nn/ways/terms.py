"""Nearest resize-convolution as few products of matrices: which differences meet which sums of taps."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

Ints = tuple[int, ...]


@dataclass(frozen=True)
class Axis:
    """One axis of `y[m] = sum over t of w[t] x[(m + t + offset) // scale]`, x zero outside 0..inputs-1.

    Output `m = scale n + f` (cell n, phase f) reads `x[n + shift(f, t)]` at tap t.

    >>> [[Axis(3, 2, -1, 8, 16).shift(f, t) for t in range(3)] for f in range(2)]
    [[-1, 0, 0], [0, 0, 1]]
    """

    kernel: int
    scale: int
    offset: int
    inputs: int
    outputs: int

    def shift(self, phase: int, tap: int) -> int:
        """Which input, counted from the cell, tap `tap` reads at phase `phase`."""
        return (phase + tap + self.offset) // self.scale

    @property
    def low(self) -> int:
        """The smallest shift."""
        return self.shift(0, 0)

    @property
    def high(self) -> int:
        """The largest shift."""
        return self.shift(self.scale - 1, self.kernel - 1)

    @property
    def cells(self) -> int:
        """Low-resolution cells that cover the output."""
        return -(-self.outputs // self.scale)

    @property
    def padded(self) -> int:
        """Inputs that the cells read, those beyond the border included."""
        return self.cells + self.high - self.low


@dataclass(frozen=True)
class AxisTerm:
    """`sign * (sum of the taps) * (x, or a difference of x, at `place`)`, added to `phases`."""

    taps: Ints
    sign: int
    differenced: bool
    place: int
    phases: Ints


def axis_terms(axis: Axis) -> tuple[AxisTerm, ...]:
    """Write one axis as products of tap sums with x and with its differences `d[i] = x[i + 1] - x[i]`.

    Around a centre c, `x[n + j]` is `x[n + c]` plus the differences on the way from c to j, so every phase
    is (sum of all taps) x[n + c] plus, for each step e above c, the taps that read at e or beyond times
    that difference (below c: minus those that read short of e). Consecutive phases share these sets but
    for the taps that have just crossed, which makes k products for k taps in the odd, centred case where
    the phase kernels need one for each phase and reach: 3 for 4 at k = 3, s = 2 (and 9 for 16 in 2-D). It
    is the step from convolution to its short algorithms (Winograd 1980), with x constant over a box.

    >>> [(term.taps, term.sign, term.differenced, term.phases) for term in axis_terms(Axis(3, 2, -1, 8, 16))]
    [((0, 1, 2), 1, False, (0, 1)), ((0,), -1, True, (0,)), ((2,), 1, True, (1,))]
    """
    centre = (axis.low + axis.high) // 2
    phases, taps = range(axis.scale), range(axis.kernel)
    terms = [AxisTerm(tuple(taps), 1, False, centre - axis.low, tuple(phases))]
    for step in range(axis.low + 1, axis.high + 1):
        above = step > centre
        crossed: set[int] = set()
        # above the centre the sets grow with the phase, below it they grow as the phase falls
        for phase in phases if above else reversed(phases):
            reaching = {t for t in taps if (axis.shift(phase, t) >= step) == above}
            new = tuple(sorted(reaching - crossed))
            crossed |= reaching
            if new:
                touched = tuple(range(phase, axis.scale) if above else range(phase + 1))
                terms.append(AxisTerm(new, 1 if above else -1, True, step - 1 - axis.low, touched))
    return tuple(terms)


@dataclass(frozen=True)
class Term:
    """One product: `signs * (sum of these taps)` times `x` differenced along some axes, read at `place`."""

    taps: tuple[Ints, ...]
    sign: int
    differenced: tuple[bool, ...]
    place: int
    phases: Ints


@dataclass(frozen=True)
class Plan:
    """The axes of a nearest resize-convolution: all but the last by terms, the last by shifted sums."""

    axes: tuple[Axis, ...]

    @property
    def lead(self) -> tuple[Axis, ...]:
        """The axes taken by terms."""
        return self.axes[:-1]

    @property
    def last(self) -> Axis:
        """The axis whose k maps are shifted and added behind the products."""
        return self.axes[-1]

    @cached_property
    def strides(self) -> Ints:
        """Steps of the padded low-resolution grid, flattened, one an axis."""
        sizes = [axis.padded for axis in self.axes]
        return tuple(math.prod(sizes[a + 1 :]) for a in range(len(sizes)))

    @cached_property
    def lead_phases(self) -> int:
        """Phases of the leading axes together."""
        return math.prod(axis.scale for axis in self.lead)

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        """Every product of one axis term an axis; the first writes all phases."""
        return tuple(self._terms())

    def steps(self, differenced: tuple[bool, ...]) -> list[int]:
        """The flat steps along which a term's source is differenced."""
        return [step for step, one in zip(self.strides, differenced, strict=False) if one]

    def extent(self, differenced: tuple[bool, ...]) -> int:
        """How far beyond a band the terms with this source begin to read."""
        return max(term.place for term in self.terms if term.differenced == differenced)

    @cached_property
    def reach(self) -> int:
        """How far beyond the last position of the grid anything reads."""
        return max(term.place + sum(self.steps(term.differenced)) for term in self.terms) + self.last.padded

    def _terms(self) -> Iterator[Term]:
        scales = [axis.scale for axis in self.lead]
        for combination in itertools.product(*(axis_terms(axis) for axis in self.lead)):
            phases = [0]
            for term, scale in zip(combination, scales, strict=True):
                phases = [outer * scale + f for outer in phases for f in term.phases]
            yield Term(
                tuple(term.taps for term in combination),
                math.prod(term.sign for term in combination),
                tuple(term.differenced for term in combination),
                sum(term.place * step for term, step in zip(combination, self.strides, strict=False)),
                tuple(phases),
            )

    def selection(self) -> list[list[float]]:
        """Which taps of the leading axes make up each term's matrix, signed: (terms, product of kernels)."""
        kernels = [axis.kernel for axis in self.lead]
        rows = []
        for term in self.terms:
            row = [0.0] * math.prod(kernels)
            for taps in itertools.product(*term.taps):
                index = 0
                for tap, size in zip(taps, kernels, strict=True):
                    index = index * size + tap
                row[index] = float(term.sign)
            rows.append(row)
        return rows
