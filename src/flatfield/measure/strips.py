"""Strips of a picture: cut, differenced, weighted by their own quietness and summed into short signals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import prev_fast_len

from flatfield.measure.plan import chosen

Real = NDArray[np.floating]
STRIP = 8  # pixels across that are summed before the local strength is taken
WINDOW = 17  # pixels along over which the local slope and its detail are averaged: more than any period by default
#: Pixels along over which the local strength is averaged: few, so that an edge costs little of the quiet beside it; not
#: fewer, or the weights follow the steps of a long period and its strength is told too small (at 7, period 16 by half).
NEAR = 9
FLAT = 1e-10  # of the largest value squared: what rounding leaves of the mean square of differences that are all zero
LONG = 128  # samples; longer strips lose up to a few per cent so that their length has small factors
#: Where the detail of a slope is below so many steps rms, nothing breaks up the staircase that rounding makes of it.
UNDITHERED = 0.35


@dataclass(frozen=True)
class Strips:
    """Strips along one axis: `values` (N, C, S, 8, W) as they were, `rows` (S, 8) where they lay across it."""

    axis: int
    values: NDArray[np.generic]
    rows: NDArray[np.int64]


@dataclass(frozen=True)
class Signals:
    """What is left of strips: `waves` (N, C, K, L), one real signal for every wave laid across, and sums.

    `weight` (N,): all weights times the pixels they stand for; `bare` (N,): those where nothing breaks rounding up;
    `detail`: the harmonic mean of the local rms difference of neighbours.
    """

    waves: Real
    weight: Real
    bare: Real
    detail: Real


def trimmed(width: int) -> int:
    """Shorten a width so that the differences along it have a length with small factors, if it is long.

    >>> trimmed(64), trimmed(512)
    (64, 505)
    """
    return width if width - 1 <= LONG else int(prev_fast_len(width - 1)) + 1


def cut(pictures: NDArray[np.generic], axis: int, most: int | None = None) -> Strips:
    """Cut pictures (N, C, H, W) into strips along `axis` (-1 or -2), `most` of them spread evenly or all.

    >>> cut(np.zeros((1, 3, 32, 512)), -1, 2).values.shape
    (1, 3, 2, 8, 505)
    """
    upright = pictures if axis == -1 else pictures.swapaxes(-1, -2)
    n, c, height, width = upright.shape
    which = chosen(height // STRIP, most)
    width = trimmed(width)
    whole = upright[:, :, : height // STRIP * STRIP, :width].reshape(n, c, height // STRIP, STRIP, width)
    values = whole if which.size == height // STRIP else whole[:, :, which]
    return Strips(axis, values, which[:, None] * STRIP + np.arange(STRIP))


def local_mean(values: Real, window: int = WINDOW) -> Real:
    """Average over `window` samples of the last axis, mirrored at the ends.

    >>> local_mean(np.array([0.0, 3.0, 0.0, 0.0]), 3)
    array([2., 1., 1., 0.])
    """
    half = min(window // 2, values.shape[-1] - 1)
    padded = np.concatenate([values[..., half:0:-1], values, values[..., -2 : -2 - half : -1]], axis=-1)
    total = np.cumsum(padded, axis=-1, dtype=np.float64)
    out = total[..., 2 * half :].copy()
    out[..., 1:] -= total[..., : -2 * half - 1]
    return np.asarray((out / (2 * half + 1)).astype(values.dtype))


def waves_across(across: tuple[float, ...], rows: NDArray[np.int64]) -> Real:
    """Lay waves over the pixel rows (S, 8): (S, K, 8), one of 1 or ±1 for 0 and 1/2, else cosine and minus sine."""
    out = []
    for f in across:
        angle = 2 * np.pi * f * rows
        out += [np.cos(angle)] if f in (0.0, 0.5) else [np.cos(angle), -np.sin(angle)]
    return np.stack(out, axis=1).astype(np.float32)


def weigh(strips: Strips, across: tuple[float, ...], step: float) -> Signals:
    """Sum strips under every wave across (0 first), difference along, divide by the local strength, add up.

    A hard edge can't outvote a quiet sky: the weight is one over the local rms of the summed difference, rounding
    included, and orthogonal to the slope of the picture (see `balanced`). Where nothing differs at all it is 0.
    """
    values = strips.values.astype(np.float32)
    c = values.shape[1]
    slopes = np.diff(np.matmul(waves_across(across, strips.rows), values), axis=-1)  # (N, C, S, K, L)
    total = slopes[:, :, :, 0]
    energy = local_mean(np.einsum("ncsl,ncsl->nsl", total, total) / c, NEAR)
    largest = max(float(values.max(initial=0.0)), -float(values.min(initial=0.0)), 1e-9)
    weight = 1 / np.sqrt(energy + STRIP * step**2 / 6 + 1e-12 * largest**2)
    blank = energy <= FLAT * largest**2  # black borders, burnt-out skies: no difference, so no word on any lattice
    weight = np.where(blank & ~blank.all(axis=(1, 2), keepdims=True), 0, weight).astype(np.float32)
    trend = local_mean(total)
    detail = total - trend
    rough = local_mean(np.einsum("ncsl,ncsl->nsl", detail, detail) / c)
    excess = np.maximum(rough / max(STRIP * (UNDITHERED * step) ** 2, 1e-30) - 1, 0)
    bare = weight * np.exp(-np.minimum(excess, 80))
    level = balanced(weight, trend)
    return Signals(
        np.einsum("ncskl,ncsl->nckl", slopes, level),
        np.asarray(STRIP * level.sum(axis=(1, 2, 3), dtype=np.float64) / c),
        np.asarray(STRIP * bare.sum(axis=(1, 2), dtype=np.float64)),
        np.asarray(np.sqrt(1 / STRIP) / weight.mean(axis=(1, 2), dtype=np.float64)),
    )


def balanced(weight: Real, trend: Real) -> Real:
    """Make weights (N, S, L) orthogonal to the local slope `trend` (N, C, S, L), channel by channel: (N, C, S, L).

    What JPEG blocks and rounded slopes put on a lattice follows the slope of the picture, up and down alike; what a
    network draws doesn't turn round with it. With w' = w (1 - k g) and g the slope in units of its local strength,
    sum w' g = 0 takes the first out of every line; of the second it takes as much as all slopes point one way.
    """
    own = weight[:, None]
    slope = trend * own
    first = np.einsum("nsl,ncsl->nc", weight, slope)
    second = np.einsum("nsl,ncsl->nc", weight, slope**2)
    share = first / (second + 1e-3 * weight.sum(axis=(1, 2))[:, None])
    return np.asarray(own * (1 - share[:, :, None, None] * slope))
