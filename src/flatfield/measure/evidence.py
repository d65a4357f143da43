"""Put probabilities together: lines into a period, periods into a picture, and all of it on an honest scale."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincc

Real = NDArray[np.floating]

#: Natural texture (blinds, bricks, the ribs of a leaf) makes very small probabilities more common than Gaussian noise
#: does. Below ONSET the share of clean photographs falls as SHARE * (p / ONSET) ** SHAPE. SHAPE is Hill's estimate
#: (1975, doi 10.1214/aos/1176343247), 0.695, less its standard error of 0.047, since few photographs decide the tail;
#: benchmarks/measure_calibration.py computes it, from photographs that no test uses.
ONSET, SHARE, SHAPE = 1e-3, 1.5e-3, 0.65
LEAST = 1e-300


def added(values: Real, groups: NDArray[np.bool_] | None) -> tuple[Real, Real]:
    """Add up (..., K), all of them or those of every group of the table (K, G); and how many these are.

    >>> added(np.array([1.0, 2.0, 4.0]), np.array([[True, False], [True, True], [False, True]]))
    (array([3., 6.]), array([2, 2]))
    """
    if groups is None:
        return values.sum(axis=-1), np.array(values.shape[-1])
    return values @ groups.astype(np.float64), groups.sum(axis=0)


def cauchy(p: Real, groups: NDArray[np.bool_] | None = None) -> Real:
    """Combine probabilities (..., K) by the mean of Cauchy deviates: small when any one is, whatever their dependence.

    `groups` (K, G) combines those of every group for themselves: (..., G). Source: Liu and Xie 2020, doi
    10.1080/01621459.2018.1554485. Two of 0.5 stay 0.5; one of 0.001 among two gives nearly 0.002:

    >>> cauchy(np.array([[0.5, 0.5], [0.001, 0.5]])).round(6)
    array([0.5  , 0.002])
    """
    bounded = np.clip(p, LEAST, 1 - 1e-9)
    deviate = np.where(bounded < 1e-9, 1 / (np.pi * bounded), np.tan((0.5 - bounded) * np.pi))
    total, count = added(deviate, groups)
    mean = total / np.maximum(count, 1)
    with np.errstate(divide="ignore"):
        return np.asarray(np.where(mean > 1e8, 1 / (np.pi * np.maximum(mean, 1e-9)), 0.5 - np.arctan(mean) / np.pi))


def fisher(p: Real, groups: NDArray[np.bool_] | None = None) -> Real:
    """Combine independent probabilities (..., K) by their product (Fisher 1932): small when many are.

    `groups` (K, G) as in `cauchy`. Two of 0.01 give q (1 - ln q) with q = 0.0001:

    >>> fisher(np.array([0.01, 0.01])).round(7)
    np.float64(0.001021)
    """
    total, count = added(-np.log(np.clip(p, LEAST, 1.0)), groups)
    return np.asarray(gammaincc(np.maximum(count, 1), total))[()]


def either(p: Real, groups: NDArray[np.bool_] | None = None) -> Real:
    """Combine (..., K) so that one strong line or many weak ones count: Cauchy's mean of both rules above."""
    return cauchy(np.stack([cauchy(p, groups), fisher(p, groups)], axis=-1))


def calibrated(p: Real) -> Real:
    """Move probabilities from Gaussian noise to clean photographs: never smaller, larger in the far tail.

    >>> calibrated(np.array([0.5, 0.01, 1e-5])).round(6)
    array([5.0e-01, 1.0e-02, 7.5e-05])
    """
    return np.where(p < ONSET, np.maximum(p, SHARE * (np.maximum(p, LEAST) / ONSET) ** SHAPE), p)


def corrected(p: Real) -> Real:
    """Correct the smallest of (..., K) for having been the smallest of K: 1 - (1 - p)^K (Šidák); NaN is not counted.

    Ten looks at 0.001 make 0.00996; nothing looked at makes 1:

    >>> corrected(np.array([[0.001] + [0.5] * 9, [np.nan] * 10])).round(5)
    array([0.00996, 1.     ])
    """
    looked = np.isfinite(p)
    least = np.where(looked, p, 1.0).min(axis=-1)
    return np.where(looked.any(axis=-1), -np.expm1(looked.sum(axis=-1) * np.log1p(-np.minimum(least, 1 - 1e-16))), 1.0)
