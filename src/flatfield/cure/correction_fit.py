"""Fit: the correction that calibration sums call for, and no more than what their noise allows to be told."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from flatfield.core.taps import Ints
from flatfield.cure.calibration import Sums
from flatfield.cure.correction import Correction, FitStatistics, Real, count_terms

FOLDS = 8
RIDGE = 1e-6
BEYOND = 2.0
"""Of the power of a coefficient, so many times that of its noise is taken off before it is used."""
SURE = 2.0
"""Standard errors by which held-out examples must be better for a correction to be made at all."""


@dataclass(frozen=True)
class Fitted:
    """Coefficients (phases, groups, terms, members), and the share of their power that was kept."""

    coefficients: Real
    kept: float


def fit_correction(sums: Sums) -> Correction:
    """Choose the degree by cross-validation over groups of examples, and whether to correct at all; then fit to all.

    A degree is taken where held-out examples show less grid with it than with none by `SURE` standard errors; of
    those that do, the lowest that is within one standard error of the best.
    """
    results = [_held_out(sums, degree) for degree in range(sums.degree + 1)]
    gains, errors = (tuple(float(r[i]) for r in results) for i in (0, 1))
    degree = _choose(gains, errors)
    fitted = fit(sums, range(len(sums.gram)), degree) if degree >= 0 else Fitted(np.zeros((0,)), 0.0)
    statistics = FitStatistics(sums.examples, sums.flats, gains, errors, fitted.kept)
    if degree < 0 or fitted.kept == 0.0:
        empty = np.zeros((prod(sums.period), *sums.colour.shape[:2], 1))
        return Correction(sums.period, -1, sums.centre, sums.colour, sums.low, sums.high, empty, statistics)
    turned = np.einsum("gij,pgki->pgjk", sums.turn, fitted.coefficients)
    return Correction(sums.period, degree, sums.centre, sums.colour, sums.low, sums.high, turned, statistics)


def _choose(gains: tuple[float, ...], errors: tuple[float, ...]) -> int:
    best = int(np.argmax(gains))
    if gains[best] <= SURE * errors[best]:
        return -1
    return next(d for d, gain in enumerate(gains) if gain >= gains[best] - errors[best] and gain > SURE * errors[d])


def _held_out(sums: Sums, degree: int) -> tuple[float, float]:
    """How much less power held-out groups have with a correction fitted to the others: mean and standard error."""
    count = len(sums.gram)
    folds = min(FOLDS, count)
    gains = np.zeros(count)
    width = count_terms(sums.colour.shape[1], degree)
    for fold in range(folds):
        out = range(fold, count, folds)
        b = fit(sums, [g for g in range(count) if g not in out], degree).coefficients
        for g in out:
            gram, moment = sums.gram[g, ..., :width, :width], sums.moment[g, ..., :width, :]
            gains[g] = 2 * np.sum(b * moment) - np.sum(b * (gram @ b))
    weight = sums.gram[..., 0, 0].mean() * prod(sums.period) * sums.colour.shape[0] * sums.colour.shape[1]
    return float(gains.mean() / weight), float(gains.std(ddof=1) / np.sqrt(count) / weight)


def fit(sums: Sums, chosen: range | list[int], degree: int) -> Fitted:
    """Fit to some groups of examples, and shrink what leaving out one of them at a time shows to be noise."""
    width = count_terms(sums.colour.shape[1], degree)
    gram, moment = sums.gram[list(chosen)][..., :width, :width], sums.moment[list(chosen)][..., :width, :]
    whole_gram, whole_moment = gram.sum(0), moment.sum(0)
    metric = whole_gram.mean(0)
    ridge = RIDGE * np.trace(metric, axis1=-2, axis2=-1)[..., None, None] / width * np.eye(width)
    # coordinates in which the terms are uncorrelated, so that each can be judged by itself
    root = np.linalg.cholesky(
        metric / np.maximum(whole_gram[..., 0, 0].mean(0), 1e-30)[:, None, None] + RIDGE * np.eye(width)
    )
    spectrum = _spectrum(np.linalg.solve(whole_gram + ridge, whole_moment), root, sums.period)
    left_out = np.stack([
        _spectrum(np.linalg.solve(whole_gram - g + ridge, whole_moment - m), root, sums.period)
        for g, m in zip(gram, moment, strict=True)
    ])  # fmt: skip
    count = len(gram)
    noise = (np.abs(left_out - left_out.mean(0)) ** 2).sum(0) * (count - 1) / count
    power, noise = (_blocks(a, sums.colour.shape[1], degree) for a in (np.abs(spectrum) ** 2, noise))
    share = np.maximum(0.0, 1 - BEYOND * noise / np.maximum(power, 1e-300))
    kept = spectrum * share
    total = float((np.abs(spectrum) ** 2).sum())
    back = np.fft.ifftn(kept.reshape(*sums.period, *kept.shape[1:]), axes=range(len(sums.period))).real
    solved = np.linalg.solve(root.swapaxes(-1, -2), back.reshape(kept.shape))
    return Fitted(solved, float((np.abs(kept) ** 2).sum()) / total if total > 0 else 0.0)


def _spectrum(coefficients: Real, root: Real, period: Ints) -> np.ndarray:
    """Harmonics of the grid, the mean over phases taken out: it belongs to no grid."""
    weighed = root.swapaxes(-1, -2) @ coefficients
    shape = weighed.shape
    found = np.fft.fftn(weighed.reshape(*period, *shape[1:]), axes=range(len(period)))
    found[(0,) * len(period)] = 0.0
    return found.reshape(shape)


def _blocks(power: Real, members: int, degree: int) -> Real:
    """Replace the power of each term by the mean over all terms of its degree."""
    out = power.copy()
    for rows in (slice(0, 1), slice(1, 1 + members), slice(1 + members, None))[: degree + 1]:
        out[:, :, rows] = power[:, :, rows].mean(axis=2, keepdims=True)
    return out
