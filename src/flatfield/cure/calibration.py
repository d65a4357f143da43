"""Calibration: what a model painted, sorted by phase and summed up, ready for a correction to be fitted to it.

Photographs have no phase: whatever is locked to one in the outputs for natural inputs is the grid. What flat fields
become shows the same without the noise of what is in the pictures. Both are weighted alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from flatfield.core.taps import Ints
from flatfield.cure.correction import JOINT, Real, coordinates, count_terms, local_mean, terms

MOST_PHASES = 4096
MOST_GROUPS = 16
QUANTILE = 0.001
DEGREES = 2


class CalibrationError(ValueError):
    """There is nothing that a correction could be fitted to; the message says what is missing and what to give."""


@dataclass(frozen=True)
class Sums:
    """Normal equations of E groups of examples, (E, phases, groups, ...): terms by terms, and terms by residuals.

    They are of degree 2 (1 where there are many channels); a lower degree is their first rows. Residuals (of
    coordinates `turn`, (groups, members, members), in which what is in pictures is uncorrelated) are outputs less
    their local means.
    """

    period: Ints
    degree: int
    centre: Real
    colour: Real
    low: Real
    high: Real
    turn: Real
    gram: Real
    moment: Real
    examples: int
    flats: int


def calibrate(natural: Sequence[Real], flats: Real | None, period: Ints, *, flat_share: float = 0.5) -> Sums:
    """Sum up natural outputs (each (n, channels, *space)) and tiles (n, channels, *period) that flat fields became.

    Raises `CalibrationError` for fewer than two examples, outputs below two periods, numbers that are not finite, and
    a period of more than `MOST_PHASES` positions.
    """
    _check(natural, flats, period)
    means = [_inside(local_mean(batch, period), period) for batch in natural]
    residuals = [_inside(batch, period) - mean for batch, mean in zip(natural, means, strict=True)]
    channels = natural[0].shape[1]
    groups = 1 if channels <= JOINT else channels
    centre, colour = _colours(means, groups)
    turn = _turn(residuals, groups)
    degree = DEGREES
    ats = [coordinates(mean, centre, colour) for mean in means]
    low, high = _bounds(ats)
    count = sum(len(batch) for batch in natural)
    share = min(MOST_GROUPS, count)
    gram = np.zeros((share, prod(period), groups, *(count_terms(channels // groups, degree),) * 2))
    moment = np.zeros((*gram.shape[:-1], channels // groups))
    place = 0
    for at, residual in zip(ats, residuals, strict=True):
        for one in range(len(at)):
            _add(gram, moment, place % share, _phased(_terms(at[one : one + 1], low, high, degree), period),
                 _phased(_turned(residual[one : one + 1], turn), period), 1.0)  # fmt: skip
            place += 1
    if flats is not None and len(flats) and flat_share > 0:
        flat_means = flats.reshape(*flats.shape[:2], -1).mean(-1)
        flat_at = coordinates(flat_means, centre, colour)
        low, high = np.minimum(low, flat_at.min(0)), np.maximum(high, flat_at.max(0))
        weight = gram[..., 0, 0].sum() / gram[0, ..., 0, 0].size / len(flats) * flat_share / (1 - flat_share)
        away = flats - flat_means.reshape(*flat_means.shape, *(1,) * len(period))
        for one in range(len(flats)):
            shape = (1, groups, -1, *(1,) * len(period))
            found = terms(flat_at[one].reshape(shape), degree).reshape(1, groups, -1, 1, 1)
            _add(gram, moment, one % share, np.repeat(found, prod(period), axis=3),
                 _turned(away[one : one + 1], turn).reshape(1, groups, channels // groups, -1, 1), weight)  # fmt: skip
    return Sums(
        period, degree, centre, colour, low, high, turn, gram, moment, count, 0 if flats is None else len(flats)
    )


def _check(natural: Sequence[Real], flats: Real | None, period: Ints) -> None:
    count = sum(len(batch) for batch in natural)
    if count < 2:
        held = "no example" if not count else "one example"
        raise CalibrationError(f"{held} can't tell a grid from what is in the picture: give two or more (--examples)")
    by = " x ".join(map(str, period))
    if prod(period) > MOST_PHASES:
        raise CalibrationError(f"a period of {by} has {prod(period)} phases, more than {MOST_PHASES}: use recover")
    for batch in natural:
        space = batch.shape[2:]
        if len(space) != len(period):
            raise CalibrationError(f"a period of {by} does not fit outputs with {len(space)} spatial dimensions")
        if any(n < 2 * step for n, step in zip(space, period, strict=True) if step > 1):
            size = " x ".join(map(str, space))
            raise CalibrationError(f"outputs of {size} show less than two periods of {by}: give larger examples")
    if not all(np.isfinite(batch).all() for batch in [*natural, *([] if flats is None else [flats])]):
        raise CalibrationError("the model's outputs for the examples hold NaN or infinite values: mend the model first")


def _inside(values: Real, period: Ints) -> Real:
    """Cut to where a whole window fits, and to whole periods: it begins at phase period // 2."""
    for axis, step in enumerate(period, start=2):
        if step > 1:
            reach = step // 2
            whole = (values.shape[axis] - 2 * reach) // step * step
            values = values.take(range(reach, reach + whole), axis)
    return values


def _phased(values: Real, period: Ints) -> Real:
    """Sort (n, groups, rows, *space) cut by `_inside` by phase: (n, groups, rows, phases, tiles)."""
    dims = len(period)
    sizes = [n for size, step in zip(values.shape[3:], period, strict=True) for n in (size // step, step)]
    tiles = values.reshape(*values.shape[:3], *sizes)
    order = [0, 1, 2, *(4 + 2 * a for a in range(dims)), *(3 + 2 * a for a in range(dims))]
    sorted_ = np.roll(tiles.transpose(order), [p // 2 for p in period], range(3, 3 + dims))
    return sorted_.reshape(*values.shape[:3], prod(period), -1)


def _terms(at: Real, low: Real, high: Real, degree: int) -> Real:
    bound = (*low.shape, *(1,) * (at.ndim - 3))
    return terms(np.clip(at, low.reshape(bound), high.reshape(bound)), degree)


def _turned(residual: Real, turn: Real) -> Real:
    grouped = residual.reshape(len(residual), *turn.shape[:2], *residual.shape[2:])
    return np.asarray(np.einsum("gij,ngj...->ngi...", turn, grouped))


def _add(gram: Real, moment: Real, place: int, found: Real, residual: Real, weight: float) -> None:
    """Add samples (1, groups, rows, phases, tiles) to the sums of one group of examples."""
    by_phase, rest = (np.moveaxis(a[0], 2, 0) for a in (found, residual))
    gram[place] += weight * (by_phase @ by_phase.swapaxes(-1, -2))
    moment[place] += weight * (by_phase @ rest.swapaxes(-1, -2))


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
    colour = axes.swapaxes(-1, -2) / np.sqrt(power + floor)[..., None]
    return centre.ravel(), colour


def _turn(residuals: Sequence[Real], groups: int) -> Real:
    samples = _grouped(residuals, groups)
    return np.asarray(np.linalg.eigh(samples @ samples.swapaxes(-1, -2))[1].swapaxes(-1, -2))


def _bounds(ats: Sequence[Real]) -> tuple[Real, Real]:
    flat = np.concatenate([np.moveaxis(a, 0, -1).reshape(*a.shape[1:3], -1) for a in ats], axis=-1)
    low, high = np.quantile(flat, [QUANTILE, 1 - QUANTILE], axis=-1)
    return np.asarray(low), np.asarray(high)
