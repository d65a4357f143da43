"""Fit: the correction that a calibration calls for, and no more than what its noise allows to be told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt

from flatfield.core.taps import Ints
from flatfield.cure.calibration import Calibration, Normal
from flatfield.cure.correction import Correction, FitStatistics, Real, count_terms

FOLDS = 8
RIDGE = 1e-6
BEYOND = 1.0
"""Of the power of a coefficient, so many times that of its noise is taken off before it is used."""
SURE = 2.0
"""Standard errors by which held-out groups must be better for a correction to be made at all."""


@dataclass(frozen=True)
class Trial:
    """One degree, tried on held-out groups: the power that it removed from each, in natural outputs and in flats."""

    degree: int
    natural: Real
    flat: Real

    @property
    def both(self) -> tuple[float, float]:
        """Mean and standard error over groups, natural outputs and flats weighted alike."""
        return _mean(self.natural + self.flat)


def fit_correction(calibration: Calibration) -> Correction:
    """Choose by cross-validation whether to correct at all, by which degree, and whether the flats help; then fit.

    A degree is taken where held-out groups show less grid with it than without by `SURE` standard errors; of those
    that do, the lowest that is within one standard error of the best. Flats weigh as much as natural outputs, unless
    natural outputs show more grid, by more than a standard error, than with a correction that has not seen the flats.
    """
    alone = [try_degree(calibration, degree, flats=False) for degree in range(calibration.degree + 1)]
    trials, chosen, flats = alone, _choose(alone), False
    if calibration.flat is not None:
        with_flats = [try_degree(calibration, degree, flats=True) for degree in range(calibration.degree + 1)]
        best = _choose(with_flats)
        loss, error = _mean(_gain(alone, chosen) - _gain(with_flats, best))
        if loss <= error:
            trials, chosen, flats = with_flats, best, True
    gains, errors = zip(*(trial.both for trial in trials), strict=True)
    if chosen < 0:
        return _correction(calibration, -1, None, FitStatistics(calibration.examples, 0, gains, errors))
    groups = range(len(calibration.natural.gram))
    coefficients, kept = fit(calibration, groups, chosen, flats=flats)
    used = calibration.flats if flats else 0
    statistics = FitStatistics(calibration.examples, used, gains, errors, kept)
    return _correction(calibration, chosen if kept > 0 else -1, coefficients, statistics)


def _correction(
    calibration: Calibration, degree: int, coefficients: Real | None, statistics: FitStatistics
) -> Correction:
    c = calibration
    if coefficients is None or degree < 0:
        turned = np.zeros((prod(c.period), *c.colour.shape[:2], 1))
    else:
        turned = np.einsum("gij,pgki->pgjk", c.turn, coefficients)
    return Correction(c.period, degree, c.centre, c.colour, c.low, c.high, turned, statistics)


def _mean(values: Real) -> tuple[float, float]:
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def _gain(trials: Sequence[Trial], chosen: int) -> Real:
    return trials[chosen].natural if chosen >= 0 else np.zeros_like(trials[0].natural)


def _choose(trials: Sequence[Trial]) -> int:
    scores = [trial.both for trial in trials]
    best, error = max(scores)
    sure = [d for d, (gain, own) in enumerate(scores) if gain > SURE * own and gain >= best - error]
    return sure[0] if sure else -1


def try_degree(calibration: Calibration, degree: int, *, flats: bool) -> Trial:
    """Fit to all groups but some, in turn, and measure on those: sum of squares before less sum of squares behind."""
    natural, flat = calibration.natural, calibration.flat
    count = len(natural.gram)
    width = count_terms(calibration.colour.shape[1], degree)
    gains = np.zeros((2, count))
    for fold in range(min(FOLDS, count)):
        out = range(fold, count, FOLDS)
        b = fit(calibration, [g for g in range(count) if g not in out], degree, flats=flats)[0]
        for row, sums in enumerate((natural, flat if flats else None)):
            for g in out if sums is not None else ():
                if sums is not None and g < len(sums.gram):
                    part = sums.within(width)
                    gains[row, g] = 2 * np.sum(b * part.moment[g]) - np.sum(b * (part.gram[g] @ b))
    return Trial(degree, *gains)


def fit(calibration: Calibration, chosen: Sequence[int], degree: int, *, flats: bool) -> tuple[Real, float]:
    """Fit to some groups, and shrink what leaving out one of them at a time shows to be noise.

    Gives coefficients (phases, groups, terms, members) and the share of their power that was kept. Harmonics of the
    grid are shrunk one by one (the positive part of James and Stein 1961), the terms of one degree together: a
    photograph has much more power, hence noise, in the low ones.
    """
    members = calibration.colour.shape[1]
    sums = _weighted(calibration, chosen, flats=flats)
    part = sums.within(count_terms(members, degree))
    gram, moment = part.gram.sum(0), part.moment.sum(0)
    eye = np.eye(gram.shape[-1])
    metric = gram.mean(0)
    size = np.maximum(np.trace(metric, axis1=-2, axis2=-1), 1e-300)[:, None, None] / len(eye)
    ridge = RIDGE * size * eye
    # terms are made uncorrelated first, so that each can be judged by itself
    root = np.linalg.cholesky((metric + ridge) / size)
    spectrum = _spectrum(np.linalg.solve(gram + ridge, moment), root, calibration.period)
    left_out = np.stack([
        _spectrum(np.linalg.solve(gram - g + ridge, moment - m), root, calibration.period)
        for g, m in zip(part.gram, part.moment, strict=True)
    ])  # fmt: skip
    count = len(left_out)
    noise = (np.abs(left_out - left_out.mean(0)) ** 2).sum(0) * (count - 1) / count  # the jackknife's variance
    power = np.abs(spectrum) ** 2
    share = np.maximum(0, 1 - BEYOND * _by_degree(noise, members) / np.maximum(_by_degree(power, members), 1e-300))
    kept = spectrum * share
    back = np.fft.ifftn(kept.reshape(*calibration.period, *kept.shape[1:]), axes=range(len(calibration.period)))
    solved = np.linalg.solve(root.swapaxes(-1, -2), back.real.reshape(kept.shape))
    total = float(power.sum())
    return np.asarray(solved), float((np.abs(kept) ** 2).sum()) / total if total > 0 else 0.0


def _weighted(calibration: Calibration, chosen: Sequence[int], *, flats: bool) -> Normal:
    natural, flat = calibration.natural, calibration.flat
    gram, moment = natural.gram[list(chosen)], natural.moment[list(chosen)]
    if not flats or flat is None:
        return Normal(gram, moment)
    gram, moment = gram.copy(), moment.copy()
    for place, group in enumerate(chosen):
        if group < len(flat.gram):
            gram[place] += flat.gram[group]
            moment[place] += flat.moment[group]
    return Normal(gram, moment)


def _spectrum(coefficients: Real, root: Real, period: Ints) -> npt.NDArray[np.complex128]:
    """Harmonics of the grid; the mean over phases is taken out, for it belongs to no grid."""
    weighed = root.swapaxes(-1, -2) @ coefficients
    found = np.fft.fftn(weighed.reshape(*period, *weighed.shape[1:]), axes=range(len(period)))
    found[(0,) * len(period)] = 0.0
    return np.asarray(found.reshape(weighed.shape))


def _by_degree(power: Real, members: int) -> Real:
    """Replace the power of each term (third axis) by the mean over all terms of its degree."""
    out = power.copy()
    for rows in (slice(1, 1 + members), slice(1 + members, None)):
        if power[:, :, rows].shape[2]:
            out[:, :, rows] = power[:, :, rows].mean(axis=2, keepdims=True)
    return out
