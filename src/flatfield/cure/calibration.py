"""Calibration: what a model painted, sorted by phase and summed up, ready for a correction to be fitted to it.

Photographs have no phase: whatever is locked to one in the outputs for natural inputs is the grid. What flat fields
become shows the same without the noise of what is in the pictures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from flatfield.core.taps import Ints
from flatfield.cure.colours import Colours, Real, grouped
from flatfield.cure.correction import local_mean
from flatfield.cure.normal import GROUPS, Normal, Sample, Summing

MOST_PHASES = 4096
DEGREE = 2
"""The highest that is tried."""
LEAST_PLACES = 4
WIDE = 8
"""Outputs of so many periods can spare one at each border, where the model's own padding shows."""


class CalibrationError(ValueError):
    """There is nothing that a correction could be fitted to; the message says what is missing and what to give."""


@dataclass(frozen=True)
class Calibration:
    """All that a correction is fitted to: sums over natural outputs, and over flat fields where there are any.

    `natural` is grouped twice: by example, since what is in a picture is chance; and by place in the picture, since
    what a generator always paints in the same place (a face's eyes) would pass for a grid if examples alone were held
    out. Outputs of fewer than `LEAST_PLACES` tiles are grouped by example only.
    `turn` (groups, members, members) rotates residuals so that what is in pictures is uncorrelated between channels.
    """

    period: Ints
    degree: int
    colours: Colours
    turn: Real
    natural: tuple[Normal, ...]
    flat: Normal | None
    examples: int
    flats: int


def calibrate(natural: Sequence[Real], flats: Real | None, period: Ints) -> Calibration:
    """Sum up natural outputs (each (n, channels, *space)) and tiles (n, channels, *period) that flat fields became.

    Raises `CalibrationError` for fewer than two examples, outputs below two periods, numbers that are not finite, and
    a period of more than `MOST_PHASES` positions.
    """
    _check(natural, flats, period)
    margin = _margin(natural, period)
    means = [_inside(local_mean(batch, period), period, margin) for batch in natural]
    away = [_inside(batch, period, margin) - mean for batch, mean in zip(natural, means, strict=True)]
    flat_means = None if flats is None or not len(flats) else flats.mean(tuple(range(2, flats.ndim)), keepdims=True)
    colours = Colours.of(means)
    if flat_means is not None:
        colours = colours.including(flat_means)
    view = _View(period, colours, _turn(away, colours.groups))
    count = sum(len(batch) for batch in natural)
    by_example, by_place = view.summing(), view.summing()
    for one, sample in enumerate(_natural_samples(view, means, away, margin)):
        by_example.add_bands(sample, one, -(-GROUPS // count))
        by_place.add_bands(sample, 0, min(GROUPS, sample[0].shape[-1]))
    ways = (by_example, by_place) if by_place.most >= LEAST_PLACES else (by_example,)
    flat = None
    if flat_means is not None and flats is not None:
        on_flats = view.summing()
        for one, sample in enumerate(_flat_samples(view, flat_means, flats - flat_means)):
            on_flats.add(sample, one)
        flat = on_flats.normal()
    held = 0 if flats is None else len(flats)
    return Calibration(period, DEGREE, colours, view.turn, tuple(way.normal() for way in ways), flat, count, held)


@dataclass(frozen=True)
class _View:
    """How samples are looked at: as functions of their colours, with their residuals turned."""

    period: Ints
    colours: Colours
    turn: Real

    def summing(self) -> Summing:
        return Summing(prod(self.period), self.colours.groups, self.colours.members, DEGREE)

    def terms(self, means: Real) -> Real:
        return self.colours.terms(means, DEGREE)

    def turned(self, away: Real) -> Real:
        by_group = away.reshape(len(away), *self.turn.shape[:2], *away.shape[2:])
        return np.asarray(np.einsum("gij,ngj...->ngi...", self.turn, by_group))


def _turn(away: Sequence[Real], groups: int) -> Real:
    samples = grouped(away, groups)
    return np.asarray(np.linalg.eigh(samples @ samples.swapaxes(-1, -2))[1].swapaxes(-1, -2))


def _natural_samples(view: _View, means: Sequence[Real], away: Sequence[Real], margin: Ints) -> Iterator[Sample]:
    for mean, rest in zip(means, away, strict=True):
        for one in range(len(mean)):
            found = _phased(view.terms(mean[one : one + 1]), view.period, margin)
            yield found, _phased(view.turned(rest[one : one + 1]), view.period, margin)


def _flat_samples(view: _View, means: Real, away: Real) -> Iterator[Sample]:
    phases = prod(view.period)
    for one in range(len(means)):
        found = view.terms(means[one : one + 1]).reshape(1, *view.turn.shape[:1], -1, 1)
        residual = view.turned(away[one : one + 1]).reshape(*view.turn.shape[:2], phases, 1)
        yield np.repeat(found, phases, axis=0), np.moveaxis(residual, 2, 0)


def _check(natural: Sequence[Real], flats: Real | None, period: Ints) -> None:
    count = sum(len(batch) for batch in natural)
    if count < 2:
        held = "no example" if not count else "one example"
        raise CalibrationError(f"{held} can't tell a grid from what is in the picture: give two or more (--examples)")
    by = " x ".join(map(str, period))
    if prod(period) > MOST_PHASES:
        raise CalibrationError(f"a period of {by} has {prod(period)} phases, more than {MOST_PHASES}: take recover")
    for batch in natural:
        space = batch.shape[2:]
        if len(space) != len(period):
            raise CalibrationError(f"a period of {by} does not fit outputs with {len(space)} spatial dimensions")
        if any(n < 2 * step for n, step in zip(space, period, strict=True) if step > 1):
            size = " x ".join(map(str, space))
            raise CalibrationError(
                f"outputs of {size} show less than two periods of {by}: give larger examples, or take flatten"
            )
    if not all(np.isfinite(batch).all() for batch in [*natural, *([] if flats is None else [flats])]):
        raise CalibrationError("the outputs for the examples hold NaN or infinite values: mend the model first")


def _margin(natural: Sequence[Real], period: Ints) -> Ints:
    """Positions left out at each border: where no whole window fits, and a period more where there is room."""
    least = [min(batch.shape[axis + 2] for batch in natural) for axis in range(len(period))]
    return tuple(
        0 if step == 1 else step // 2 + (step if n >= WIDE * step else 0)
        for n, step in zip(least, period, strict=True)
    )  # fmt: skip


def _inside(values: Real, period: Ints, margin: Ints) -> Real:
    """Leave out the margins, and cut to whole periods."""
    for axis, (step, out) in enumerate(zip(period, margin, strict=True), start=2):
        whole = (values.shape[axis] - 2 * out) // step * step
        values = values.take(range(out, out + whole), axis)
    return values


def _phased(values: Real, period: Ints, margin: Ints) -> Real:
    """Sort (1, groups, rows, *space) by phase: (phases, groups, rows, tiles); tiles in C order."""
    dims = len(period)
    sizes = [n for size, step in zip(values.shape[3:], period, strict=True) for n in (size // step, step)]
    tiles = values.reshape(*values.shape[:3], *sizes)
    order = [0, *(4 + 2 * a for a in range(dims)), 1, 2, *(3 + 2 * a for a in range(dims))]
    by_phase = np.roll(tiles.transpose(order), margin, range(1, 1 + dims))
    return by_phase.reshape(prod(period), *values.shape[1:3], -1)
