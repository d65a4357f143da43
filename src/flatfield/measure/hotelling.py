"""Hotelling's test of one spectral line against the bins around it, all channels at once.

With z the line (C channels) and S the mean of z_k z_k^H over K neighbouring bins, T2 = z^H S^-1 z doesn't care how the
channels are mixed: a grid in blue alone is seen against what blue doesn't share with red and green. For
circular Gaussian bins (K - C + 1) / (K C) T2 follows F with 2C and 2(K - C + 1) degrees of freedom
(Giri 1965, doi 10.1214/aoms/1177700167); where the line is real, (n - C + 1) / (n C) T2 follows F(C, n - C + 1),
n = 2K.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtrc

from flatfield.measure.harmonics import Harmonic
from flatfield.measure.lines import Lines

Real = NDArray[np.floating]
SURE, SPREAD = 1e-4, 0.04
REDUNDANT = 1e-6  # of the mean variance: float32 sums of equal channels agree to better


def quadratic(
    matrix: NDArray[np.complexfloating], vector: NDArray[np.complexfloating], least: Real | float = 0.0
) -> tuple[Real, NDArray[np.int64]]:
    """Compute v^H M^-1 v for positive definite M (..., C, C) and v (..., C), and how many channels counted.

    A channel that the ones before it explain down to a rest of `least` is passed over: a grey picture stored as RGB
    counts as one channel. Cholesky's factors, written out over the few channels, so that every step is one array
    operation over all pictures and lines.

    >>> one = np.array([[4.0, 0.0], [0.0, 4.0]]) + 0j, np.array([2.0, 2.0]) + 0j
    >>> [x.item() for x in quadratic(*one)]
    [2.0, 2]
    >>> copy = np.array([[4.0, 4.0], [4.0, 4.0]]) + 0j, np.array([2.0, 2.0]) + 0j
    >>> [x.item() for x in quadratic(*copy, 1e-9)]
    [1.0, 1]
    """
    channels = vector.shape[-1]
    factor: dict[tuple[int, int], NDArray[np.complexfloating]] = {}
    solved: list[NDArray[np.complexfloating]] = []
    total = np.zeros(vector.shape[:-1])
    rank = np.zeros(vector.shape[:-1], dtype=np.int64)
    for i in range(channels):
        rest, pivot = vector[..., i], matrix[..., i, i].real
        for j in range(i):
            value = matrix[..., i, j]
            for k in range(j):
                value = value - factor[i, k] * factor[j, k].conj()
            factor[i, j] = value / factor[j, j]
            pivot = pivot - np.abs(factor[i, j]) ** 2
            rest = rest - factor[i, j] * solved[j]
        kept = pivot > least
        factor[i, i] = np.where(kept, np.sqrt(np.where(kept, pivot, 1.0)), np.inf)
        solved.append(rest / factor[i, i])
        total = total + np.abs(solved[i]) ** 2
        rank = rank + kept
    return total, rank


def covariance(lines: Lines) -> tuple[NDArray[np.complexfloating], Real]:
    """Estimate the channels' covariance (N, T, C, C) at every line from the bins around it, rounding included.

    Also gives the rest (N, T) below which a channel is a copy of the others: `REDUNDANT` of their mean variance.
    """
    level = np.einsum("ntcc->nt", lines.shared).real / lines.shared.shape[-1]
    return np.asarray(lines.shared + lines.floor), REDUNDANT * level + 1e-30


def tail(statistic: Real, rank: NDArray[np.int64], count: NDArray[np.int64], real: NDArray[np.bool_]) -> Real:
    """Turn T2 (..., T) of `rank` channels into probabilities under Gaussian bins.

    With one channel and 10 bins, T2 = 20 gives (1 + 20/10)^-10 = 3^-10:

    >>> tail(np.array([20.0]), np.array([1]), np.array([10]), np.array([False])).round(9)
    array([1.6935e-05])
    """
    rank = np.maximum(rank, 1)
    free = np.where(real, 2 * count, count)
    first = np.where(real, rank, 2 * rank)
    second = np.where(real, 1, 2) * (free - rank + 1)
    return np.asarray(fdtrc(first, second, statistic * (free - rank + 1) / (free * rank)))


def line_test(lines: Lines) -> Real:
    """Compute the probability (N, T) of a line at least this strong where the spectrum is smooth and Gaussian.

    A line that is no more than what a stronger one spills over to its place has probability 1.
    """
    z = lines.line.astype(np.complex128)
    z = np.where(lines.real[:, None], z.real, z)
    matrix, least = covariance(lines)
    statistic, rank = quadratic(matrix, z, least)
    p = tail(statistic, rank, lines.count, lines.real)
    return np.where(spilled(lines, p), 1.0, p)


def spilled(lines: Lines, p: Real) -> NDArray[np.bool_]:
    """Find lines (N, T) that a stronger, significant line of another period accounts for.

    A line that is less than twice of what the kernel of `spill` leaves of the stronger ones is not counted.
    """
    out = np.zeros(p.shape, dtype=bool)
    some = np.flatnonzero((p < SURE).any(axis=1))
    if not some.size:
        return out
    size = np.sqrt((np.abs(lines.line[some].astype(np.complex128)) ** 2).sum(axis=-1)) * lines.gain[some]
    strong = np.where(p[some] < SURE, size, 0.0)
    stronger = strong[:, None, :] > size[:, :, None]
    out[some] = 2 * np.einsum("ntu,tu,nu->nt", stronger, spill(lines.harmonics, lines.length), strong) > size
    return out


@lru_cache(maxsize=32)
def spill(which: tuple[Harmonic, ...], length: tuple[int, ...]) -> Real:
    """Compute what part (T, T) of a line is found at the place of another period's.

    A strip of L samples spreads a line over its neighbours as Dirichlet's kernel sin(pi L f) / (L sin(pi f)), uneven
    weights add about SPREAD everywhere.
    """
    kernel = np.zeros((len(which), len(which)))
    for i, h in enumerate(which):
        for j, g in enumerate(which):
            if h.axis == g.axis and h.across == g.across and h.period != g.period:
                away, samples = h.along - g.along, length[0 if h.axis == -1 else -1]
                kernel[i, j] = abs(np.sin(np.pi * samples * away) / (samples * np.sin(np.pi * away))) + SPREAD
    return kernel
