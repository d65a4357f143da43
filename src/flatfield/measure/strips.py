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
FLAT = 1e-12  # of the largest value squared: float32 rounds sums of eight to as much
FEW = 1 << 18  # numbers weighed at a time: what they become stays in the cache, and in memory that is taken once
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
    """What is left of strips: `waves` (K, N, C, L), one real signal for every wave laid across, and sums.

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
    return np.asarray(running(padded, 2 * half + 1) / values.dtype.type(2 * half + 1))


def running(values: Real, window: int) -> Real:
    """Sum every `window` neighbours of the last axis, doubling: 17 = 16 + 1 takes five additions.

    >>> running(np.arange(5.0), 3)
    array([3., 6., 9.])
    """
    length, size, at = values.shape[-1] - window + 1, 1, 0
    total: Real | None = None
    while True:
        if window & size:
            part = values[..., at : at + length]
            total, at = part if total is None else total + part, at + size
        if 2 * size > window:
            assert total is not None  # the highest power of two is always part of the window
            return total
        values = values[..., :-size] + values[..., size:]
        size *= 2


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
    waves, numbers = waves_across(across, strips.rows), strips.values
    few = max(FEW // max(numbers[0].size, 1), 1)
    n, c, _, _, width = numbers.shape
    out = np.zeros((waves.shape[1], n, c, width - 1), dtype=np.float32)
    parts = [weigh_few(numbers[at : at + few], waves, step, out[:, at : at + few]) for at in range(0, n, few)]
    return Signals(out, *(np.concatenate(each) for each in zip(*parts, strict=True)))


def weigh_few(numbers: NDArray[np.generic], waves: Real, step: float, out: Real) -> tuple[Real, Real, Real]:
    """Weigh the strips (N, C, S, 8, W) of a few pictures: add their waves to `out`, give the sums of `Signals`."""
    n, c, s, _, width = numbers.shape
    # strips first and their eight rows next: one long product each, and every wave in one piece
    values = numbers.transpose(2, 3, 0, 1, 4).astype(np.float32, order="C")
    summed = (waves @ values.reshape(s, STRIP, -1)).reshape(s, -1, n, c, width)
    total = np.diff(summed[:, 0])  # (S, N, C, L)
    energy = local_mean(np.einsum("sncl,sncl->snl", total, total) / np.float32(c), NEAR)
    floor = np.float32(STRIP * step**2 / 6) if step else faint(numbers)
    weight, blank = 1 / np.sqrt(energy + floor), energy <= (0 if step else floor)
    if blank.any():  # black borders, burnt-out skies: no difference, no word on a lattice
        weight = np.where(blank & ~blank.all(axis=(0, 2), keepdims=True), np.float32(0), weight)
    trend = local_mean(total)
    detail = total - trend
    rough = local_mean(np.einsum("sncl,sncl->snl", detail, detail) / np.float32(c))
    excess = np.maximum(rough / np.float32(max(STRIP * (UNDITHERED * step) ** 2, 1e-30)) - 1, 0)
    bare = weight * np.exp(-np.minimum(excess, 80))
    level = balanced(weight, trend)
    add_differences(out, summed, level)
    return (
        np.asarray(STRIP * level.sum(axis=-1).sum(axis=(0, 2), dtype=np.float64) / c),
        np.asarray(STRIP * bare.sum(axis=-1).sum(axis=0, dtype=np.float64)),
        np.asarray(np.sqrt(1 / STRIP) / weight.mean(axis=-1).mean(axis=0, dtype=np.float64)),
    )


def add_differences(out: Real, summed: Real, level: Real) -> None:
    """Difference waves (S, K, N, C, W) along, weigh them with `level` (S, N, C, W - 1), add all strips to `out`.

    >>> out = np.zeros((1, 1, 1, 2))
    >>> add_differences(out, np.array([0.0, 1.0, 4.0]).reshape(1, 1, 1, 1, 3), np.full((1, 1, 1, 2), 2.0))
    >>> out.ravel()
    array([2., 6.])
    """
    for wave, weight in zip(summed, level, strict=True):  # strip by strip: a table of all is no longer in the cache
        difference = wave[..., 1:] - wave[..., :-1]
        difference *= weight
        out += difference


def faint(numbers: NDArray[np.generic]) -> Real:
    """Compute the mean square difference (N, 1) below which pictures (N, ...) of floats hold float32's rounding only.

    >>> faint(np.full((1, 3), -100.0))
    array([[1.e-08]], dtype=float32)
    """
    every = tuple(range(1, numbers.ndim))
    largest = np.maximum(np.abs(numbers.max(axis=every)), np.abs(numbers.min(axis=every))).astype(np.float32)
    return np.asarray(np.float32(FLAT) * largest**2 + np.float32(1e-28))[:, None]


def balanced(weight: Real, trend: Real) -> Real:
    """Make weights (S, N, L) orthogonal to the local slope `trend` (S, N, C, L), channel by channel: (S, N, C, L).

    What JPEG blocks and rounded slopes put on a lattice follows the slope of the picture, up and down alike; what a
    network draws doesn't turn round with it. With w' = w (1 - k g) and g the slope in units of its local strength,
    sum w' g = 0 takes the first out of every line; of the second it takes as much as all slopes point one way.
    """
    own = weight[:, :, None]
    slope = trend * own
    first = np.einsum("snl,sncl->nc", weight, slope)
    second = np.einsum("snl,sncl->nc", weight, slope**2)
    share = first / (second + np.float32(1e-3) * weight.sum(axis=(0, 2))[:, None])
    return np.asarray(own * (1 - share[:, :, None] * slope))
