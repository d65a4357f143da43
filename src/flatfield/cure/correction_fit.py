"""Fit: the correction that a calibration calls for, and no more than what its noise allows to be told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt

from flatfield.core.taps import Ints
from flatfield.cure.calibration import Calibration
from flatfield.cure.colours import Real, count_terms
from flatfield.cure.correction import Correction, FitStatistics
from flatfield.cure.normal import Normal

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

    @property
    def sure(self) -> bool:
        """True where held-out groups are clearly better; or flats are, which have no noise, and nothing contradicts."""
        (gain, error), (natural, noise), (flat, spread) = self.both, _mean(self.natural), _mean(self.flat)
        return gain > SURE * error or (flat > SURE * spread and natural > -SURE * noise)


def fit_correction(calibration: Calibration) -> Correction:
    """Choose by cross-validation whether to correct at all, by which degree, and whether the flats help; then fit.

    A degree is taken where held-out groups clearly show less grid with it than without (`Trial.sure`); of those
    that do, the lowest that is within one standard error of the best: so for examples held out, and for places held
    out; the lower of both. Flats weigh as much as natural outputs, unless natural outputs show more grid, by `SURE`
    standard errors, than with a correction that has not seen the flats.
    """
    ways = [_choose(calibration, way) for way in range(len(calibration.natural))]
    choice = min(ways, key=lambda way: way.degree)
    gains, errors = zip(*(trial.both for trial in choice.trials), strict=True)
    if choice.degree < 0:
        return _correction(calibration, -1, None, FitStatistics(calibration.examples, 0, gains, errors))
    coefficients, kept = fit(calibration, 0, (), choice.degree, flats=choice.flats)
    used = calibration.flats if choice.flats else 0
    statistics = FitStatistics(calibration.examples, used, gains, errors, kept)
    return _correction(calibration, choice.degree if kept > 0 else -1, coefficients, statistics)


@dataclass(frozen=True)
class Choice:
    """What one way of holding out says: a degree (-1: none), with the flats or without, and what was tried."""

    degree: int
    flats: bool
    trials: tuple[Trial, ...]

    @property
    def natural(self) -> Real:
        """What held-out natural outputs gain."""
        return self.trials[self.degree].natural if self.degree >= 0 else np.zeros_like(self.trials[0].natural)


def _choose(calibration: Calibration, way: int) -> Choice:
    alone = _best(calibration, way, flats=False)
    if calibration.flat is None:
        return alone
    both = _best(calibration, way, flats=True)
    loss, error = _mean(alone.natural - both.natural)
    return both if loss <= SURE * error else alone


def _best(calibration: Calibration, way: int, *, flats: bool) -> Choice:
    trials = tuple(try_degree(calibration, way, degree, flats=flats) for degree in range(calibration.degree + 1))
    scores = [trial.both for trial in trials]
    best, error = max(scores)
    sure = [d for d, trial in enumerate(trials) if trial.sure and trial.both[0] >= best - error]
    return Choice(sure[0] if sure else -1, flats, trials)


def _correction(
    calibration: Calibration, degree: int, coefficients: Real | None, statistics: FitStatistics
) -> Correction:
    c = calibration
    if coefficients is None or degree < 0:
        turned = np.zeros((prod(c.period), *c.turn.shape[:2], 1))
    else:
        turned = np.einsum("gij,pgki->pgjk", c.turn, coefficients)
    return Correction(c.period, degree, c.colours, turned, statistics)


def _mean(values: Real) -> tuple[float, float]:
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def try_degree(calibration: Calibration, way: int, degree: int, *, flats: bool) -> Trial:
    """Fit to all groups but some, in turn, and measure on those: sum of squares before less sum of squares behind."""
    natural, flat = calibration.natural[way], calibration.flat if flats else None
    count = len(natural.gram)
    width = count_terms(calibration.colours.members, degree)
    gains = np.zeros((2, count))
    for fold in range(min(FOLDS, count)):
        out = range(fold, count, FOLDS)
        b = fit(calibration, way, out, degree, flats=flats)[0]
        for row, sums in ((0, natural), *(((1, flat),) if flat is not None else ())):
            part = sums.within(width)
            for g in (g for g in out if g < len(part.gram)):
                gains[row, g] = 2 * np.sum(b * part.moment[g]) - np.sum(b * (part.gram[g] @ b))
    return Trial(degree, *gains)


def fit(calibration: Calibration, way: int, out: Sequence[int], degree: int, *, flats: bool) -> tuple[Real, float]:
    """Fit to all groups but `out`, and shrink what leaving out one of them at a time shows to be noise.

    Gives coefficients (phases, groups, terms, members) and the share of their power that was kept. Harmonics of the
    grid are shrunk one by one (the positive part of James and Stein 1961), the terms of one degree together: a
    photograph has much more power, hence noise, in the low ones. Where nothing is held out, noise is the larger of
    that over examples and that over places.
    """
    members = calibration.colours.members
    width = count_terms(members, degree)
    ways = [way] if out else range(len(calibration.natural))
    found = [_Solved.of(_weighted(calibration, w, out, flats=flats).within(width), calibration.period) for w in ways]
    spectrum, root = found[0].spectrum, found[0].root
    noise = np.maximum.reduce([_by_degree(solved.noise, members) for solved in found])
    power = np.abs(spectrum) ** 2
    share = np.maximum(0, 1 - BEYOND * noise / np.maximum(_by_degree(power, members), 1e-300))
    kept = spectrum * share
    back = np.fft.ifftn(kept.reshape(*calibration.period, *kept.shape[1:]), axes=range(len(calibration.period)))
    coefficients = np.linalg.solve(root.swapaxes(-1, -2), back.real.reshape(kept.shape))
    total = float(power.sum())
    return np.asarray(coefficients), float((np.abs(kept) ** 2).sum()) / total if total > 0 else 0.0


@dataclass(frozen=True)
class _Solved:
    """Harmonics (phases, groups, terms, members) of the least-squares solution, and the jackknife's variance of each.

    `root` (groups, terms, terms) makes terms uncorrelated, so that each can be judged by itself.
    """

    spectrum: npt.NDArray[np.complex128]
    noise: Real
    root: Real

    @classmethod
    def of(cls, sums: Normal, period: Ints) -> _Solved:
        gram, moment = sums.gram.sum(0), sums.moment.sum(0)
        eye = np.eye(gram.shape[-1])
        metric = gram.mean(0)
        size = np.maximum(np.trace(metric, axis1=-2, axis2=-1), 1e-300)[:, None, None] / len(eye)
        ridge = RIDGE * size * eye
        root = np.linalg.cholesky((metric + ridge) / size)
        spectrum = _spectrum(np.linalg.solve(gram + ridge, moment), root, period)
        left_out = np.stack([
            _spectrum(np.linalg.solve(gram - g + ridge, moment - m), root, period)
            for g, m in zip(sums.gram, sums.moment, strict=True)
        ])  # fmt: skip
        count = len(left_out)
        noise = (np.abs(left_out - left_out.mean(0)) ** 2).sum(0) * (count - 1) / count
        return cls(spectrum, noise, root)


def _weighted(calibration: Calibration, way: int, out: Sequence[int], *, flats: bool) -> Normal:
    """Natural outputs and flats together, without some groups of both."""
    natural, flat = calibration.natural[way], calibration.flat
    gram, moment = natural.gram.copy(), natural.moment.copy()
    if flats and flat is not None:
        count = min(len(gram), len(flat.gram))
        gram[:count] += flat.gram[:count]
        moment[:count] += flat.moment[:count]
    chosen = [group for group in range(len(gram)) if group not in out]
    return Normal(gram[chosen], moment[chosen])


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
