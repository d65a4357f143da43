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
from flatfield.cure.correction import JOINT, Real, coordinates, count_terms, local_mean, terms

MOST_PHASES = 4096
GROUPS = 16
"""Examples, or bands of large ones, are summed up in so many groups: what is held out in turn."""
QUANTILE = 0.001
LEAST_PLACES = 4
WIDE = 8
"""Outputs of so many periods can spare one at each border, where the model's own padding shows."""


class CalibrationError(ValueError):
    """There is nothing that a correction could be fitted to; the message says what is missing and what to give."""


@dataclass(frozen=True)
class Normal:
    """Normal equations by group: terms times terms (E, phases, groups, terms, terms), terms times residuals.

    Residuals are outputs less their local means. One sample a phase and group on average weighs 1.
    """

    gram: Real
    moment: Real

    def within(self, width: int) -> Normal:
        """Keep the first terms: those of a lower degree."""
        return Normal(self.gram[..., :width, :width], self.moment[..., :width, :])


@dataclass(frozen=True)
class Calibration:
    """All that a correction is fitted to: sums over natural outputs, and over flat fields where there are any.

    `natural` is grouped twice: by example, since what is in a picture is chance; and by place in the picture, since
    what a generator always paints in the same place (a face's eyes) would pass for a grid if examples alone were held
    out. Outputs of fewer than `LEAST_PLACES` tiles are grouped by example only.
    `centre`, `colour`, `low` and `high` as in `Correction`; `turn` (groups, members, members) rotates residuals so that
    what is in pictures is uncorrelated between channels.
    """

    period: Ints
    degree: int
    centre: Real
    colour: Real
    low: Real
    high: Real
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
    channels = natural[0].shape[1]
    groups = 1 if channels <= JOINT else channels
    centre, colour = _colours(means, groups)
    turn = _turn(away, groups)
    low, high = _bounds([coordinates(m, centre, colour) for m in means])
    if flat_means is not None:
        at = coordinates(flat_means, centre, colour)
        low, high = (f(b, e(at, axis=(0, *range(3, at.ndim)))) for f, e, b in
                     ((np.minimum, np.min, low), (np.maximum, np.max, high)))  # fmt: skip
    degree = 2
    view = _View(period, degree, centre, colour, low, high, turn)
    count = sum(len(batch) for batch in natural)
    by_example = _Summing(view)
    by_place = _Summing(view)
    for one, sample in enumerate(_natural_samples(view, means, away, margin)):
        by_example.add_bands(sample, one, -(-GROUPS // count))
        by_place.add_bands(sample, 0, min(GROUPS, sample[0].shape[-1]))
    ways = (by_example, by_place) if by_place.most >= LEAST_PLACES else (by_example,)
    flat = None
    if flat_means is not None and flats is not None:
        on_flats = _Summing(view)
        for one, sample in enumerate(_flat_samples(view, flat_means, flats - flat_means)):
            on_flats.add(sample, one)
        flat = on_flats.normal()
    held = 0 if flats is None else len(flats)
    return Calibration(
        period, degree, centre, colour, low, high, turn, tuple(way.normal() for way in ways), flat, count, held
    )


@dataclass(frozen=True)
class _View:
    """How samples are looked at: their colours, and their residuals."""

    period: Ints
    degree: int
    centre: Real
    colour: Real
    low: Real
    high: Real
    turn: Real

    def terms(self, means: Real) -> Real:
        at = coordinates(means, self.centre, self.colour)
        bound = (*self.low.shape, *(1,) * (at.ndim - 3))
        return terms(np.clip(at, self.low.reshape(bound), self.high.reshape(bound)), self.degree)

    def turned(self, away: Real) -> Real:
        grouped = away.reshape(len(away), *self.turn.shape[:2], *away.shape[2:])
        return np.asarray(np.einsum("gij,ngj...->ngi...", self.turn, grouped))


Sample = tuple[Real, Real]
"""Terms and residuals, (phases, groups, rows, tiles)."""


def _natural_samples(view: _View, means: Sequence[Real], away: Sequence[Real], margin: Ints) -> Iterator[Sample]:
    for mean, rest in zip(means, away, strict=True):
        for one in range(len(mean)):
            found = _phased(view.terms(mean[one : one + 1]), view.period, margin)
            yield found, _phased(view.turned(rest[one : one + 1]), view.period, margin)


def _flat_samples(view: _View, means: Real, away: Real) -> Iterator[Sample]:
    phases = prod(view.period)
    for one in range(len(means)):
        found = view.terms(means[one : one + 1]).reshape(1, *view.colour.shape[:1], -1, 1)
        residual = view.turned(away[one : one + 1]).reshape(*view.turn.shape[:2], phases, 1)
        yield np.repeat(found, phases, axis=0), np.moveaxis(residual, 2, 0)


class _Summing:
    """Normal equations as samples come in."""

    def __init__(self, view: _View) -> None:
        groups, members = view.colour.shape[:2]
        width = count_terms(members, view.degree)
        self.gram = np.zeros((GROUPS, prod(view.period), groups, width, width))
        self.moment = np.zeros((GROUPS, prod(view.period), groups, width, members))
        self.most = 0

    def add(self, sample: Sample, place: int) -> None:
        """Add to one group, counted round."""
        found, residual = sample
        self.gram[place % GROUPS] += found @ found.swapaxes(-1, -2)
        self.moment[place % GROUPS] += found @ residual.swapaxes(-1, -2)
        self.most = max(self.most, place % GROUPS + 1)

    def add_bands(self, sample: Sample, start: int, bands: int) -> None:
        """Add to as many groups as there are bands, one behind the other."""
        found, residual = sample
        tiles = found.shape[-1]
        for band in range(min(bands, tiles)):
            cut = slice(tiles * band // bands, tiles * (band + 1) // bands)
            self.add((found[..., cut], residual[..., cut]), start * bands + band)

    def normal(self) -> Normal:
        """The sums, so scaled that one sample a phase and group on average weighs 1."""
        weight = self.gram[..., 0, 0].sum() / (self.most * self.gram.shape[1] * self.gram.shape[2])
        return Normal(self.gram[: self.most] / weight, self.moment[: self.most] / weight)


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


def _grouped(batches: Sequence[Real], groups: int) -> Real:
    """All samples of all batches as (groups, members, samples)."""
    flat = [np.moveaxis(b.reshape(*b.shape[:2], -1), 1, 0).reshape(b.shape[1], -1) for b in batches]
    whole = np.concatenate(flat, axis=1)
    return whole.reshape(groups, -1, whole.shape[1])


def _colours(means: Sequence[Real], groups: int) -> tuple[Real, Real]:
    """The mean colour, and the rotation and scale that make colours uncorrelated and of variance 1."""
    samples = _grouped(means, groups)
    centre = samples.mean(-1)
    away = samples - centre[..., None]
    power, axes = np.linalg.eigh(away @ away.swapaxes(-1, -2) / samples.shape[-1])
    floor = 1e-6 * power.max(axis=-1, keepdims=True) + 1e-30
    return centre.ravel(), axes.swapaxes(-1, -2) / np.sqrt(power + floor)[..., None]


def _turn(away: Sequence[Real], groups: int) -> Real:
    samples = _grouped(away, groups)
    return np.asarray(np.linalg.eigh(samples @ samples.swapaxes(-1, -2))[1].swapaxes(-1, -2))


def _bounds(ats: Sequence[Real]) -> tuple[Real, Real]:
    """Nearly the least and the largest coordinates seen: a single odd pixel must not decide."""
    flat = np.concatenate([np.moveaxis(a, 0, -1).reshape(*a.shape[1:3], -1) for a in ats], axis=-1)
    low, high = np.quantile(flat, [QUANTILE, 1 - QUANTILE], axis=-1)
    return np.asarray(low), np.asarray(high)
