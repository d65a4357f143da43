"""Spectral lines against their neighbourhood: what a harmonic carries beyond what the picture itself explains.

The picture is cut into strips eight pixels wide across the searched axis. The difference along the axis is
divided by its own local strength (so that one hard edge can't outvote a quiet sky), multiplied by the wave across,
and summed over all strips: one short signal a channel, whose spectrum is sharp where a lattice is and smooth where
only a picture is. The line at q/p is then held against the bins around it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flatfield.measure.harmonics import Harmonic
from flatfield.measure.plan import chosen, plan

Real = NDArray[np.floating]
STRIP = 8  # pixels across that are summed before the local strength is taken
WINDOW = 17  # pixels along over which the local strength is averaged
#: A slope rounded to whole steps is a staircase: a true period, though not a network's. Where the detail is
#: below UNDITHERED steps rms nothing breaks the staircase up, and a line may reach COHERENT steps by rounding alone.
UNDITHERED, COHERENT = 0.35, 0.12
#: JPEG with halved colour rounds up and down by turns (libjpeg's jcsample.c and jdsample.c): the encoder from column
#: to column of Cb and Cr, a lattice of period 4; the decoder from pixel to pixel, a lattice of period 2, of 1/32 step
#: (halved both ways) or 1/8 (one way). As a standard deviation, 1/16 step keeps them all below significance.
CHROMA = 1 / 16
BLUE, RED = np.array([0.0, -0.344, 1.772]), np.array([1.402, -0.714, 0.0])  # what Cb and Cr do to (R, G, B)
CHROMINANCE = np.outer(BLUE, BLUE) + np.outer(RED, RED)
#: Noise rises with 1, a photograph with 0; the blur of a lens or an enlargement is given up to -1/2, no more: its
#: spectrum falls too fast for its neighbourhood to vouch for it.
RISE = (-0.5, 1.0)


@dataclass(frozen=True)
class Lines:
    """The spectrum at T harmonics and at up to K bins around each, for N pictures of C channels.

    `line` (N, T, C) and `around` (N, T, C, K) are complex sums; `count` (T,) says how many of the K bins are in use
    (the rest are 0); `real` (T,) marks harmonics at which a real signal's spectrum is real; `floor` (N, T, C, C) is
    the covariance that rounding alone may put there; `gain` (N, T) turns |line| into the rms of the component in the
    picture's units; `detail` (N,) is the harmonic mean of the local rms difference of neighbours.
    """

    harmonics: tuple[Harmonic, ...]
    line: NDArray[np.complexfloating]
    around: NDArray[np.complexfloating]
    count: NDArray[np.int64]
    real: NDArray[np.bool_]
    floor: Real
    gain: Real
    detail: Real


def levelled(
    spectrum: NDArray[np.complexfloating], bins: NDArray[np.int64], along: Real, length: int
) -> NDArray[np.complexfloating]:
    """Scale the bins (T, K) of a spectrum (N, C, L) to what they would be at their lines' frequency: (N, T, C, K).

    The difference along the axis turns noise into a spectrum |sin pi f|^2 and most photographs into a flat one. Half
    the exponent is fitted to the whole spectrum, within `RISE`; bins are scaled by (sin pi f0 / sin pi f)^rise.
    """
    sine = np.log(np.abs(np.sin(np.pi * np.arange(1, spectrum.shape[-1]) / length)))
    sine -= sine.mean()
    power = np.einsum("ncl,ncl->nl", spectrum, spectrum.conj()).real[:, 1:]
    rise = np.clip(np.log(power + 1e-30) @ sine / (sine @ sine) / 2, *RISE)
    here = np.log(np.abs(np.sin(np.pi * along)))[:, None]
    there = np.log(np.maximum(np.abs(np.sin(np.pi * bins / length)), 1e-6))
    scale = np.exp(rise[:, None, None] * (here - there)).astype(np.float32)
    return np.asarray(np.moveaxis(spectrum[:, :, bins], 1, 2) * scale[:, :, None, :])


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
    """Lay real waves over the pixel rows: one row of 1 or ±1 for 0 and 1/2, else cosine and minus sine."""
    out = []
    for f in across:
        angle = 2 * np.pi * f * rows
        out += [np.cos(angle)] if f in (0.0, 0.5) else [np.cos(angle), -np.sin(angle)]
    return np.array(out, dtype=np.float32).reshape(len(out), rows.size)


def weighted(
    pictures: NDArray[np.generic], axis: int, step: float, most: int | None
) -> tuple[Real, NDArray[np.int64], Real, Real]:
    """Cut strips and divide the difference along the axis by its local strength.

    Returns (N, C, R, L) weighted differences of the R pixel rows, those rows (R,), and two sums over the strips
    (N,): of all weights (times the rows in a strip), and of the weights where nothing breaks rounding up.
    """
    upright = pictures if axis == -1 else pictures.swapaxes(-1, -2)
    n, c, height, width = upright.shape
    which = chosen(height // STRIP, most)
    cut = upright[:, :, : height // STRIP * STRIP].reshape(n, c, height // STRIP, STRIP, width)
    cut = np.ascontiguousarray(cut[:, :, which] if which.size < height // STRIP else cut, dtype=np.float32)
    slope = np.diff(cut, axis=-1)
    total = slope.sum(axis=3)
    energy = local_mean(np.einsum("ncsl,ncsl->nsl", total, total) / c)
    least = STRIP * step**2 / 6 + 1e-12 * max(float(np.abs(cut).max(initial=0.0)), 1e-9) ** 2
    weight = 1 / np.sqrt(energy + least)
    trend = local_mean(total)
    detail = total - trend
    rough = local_mean(np.einsum("ncsl,ncsl->nsl", detail, detail) / c)
    excess = np.maximum(rough / max(STRIP * (UNDITHERED * step) ** 2, 1e-30) - 1, 0)
    bare = weight * np.exp(-np.minimum(excess, 80))
    level = balanced(weight, trend)
    slope *= level[:, :, :, None, :]
    rows = (which[:, None] * STRIP + np.arange(STRIP)).ravel()
    return (
        slope.reshape(n, c, rows.size, width - 1),
        rows,
        np.asarray(STRIP * weight.sum(axis=(1, 2), dtype=np.float64)),
        np.asarray(STRIP * bare.sum(axis=(1, 2), dtype=np.float64)),
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


def turns(h: Harmonic) -> bool:
    """Say whether JPEG's rounding by turns puts something on this harmonic."""
    return h.period == 2 or (h.period == 4 and h.axis == -1 and h.across == 0.0)


def axis_lines(
    pictures: NDArray[np.generic], periods: tuple[int, ...], axis: int, step: float, most: int | None
) -> Lines:
    """Compute the `Lines` of one axis for pictures (N, C, H, W)."""
    length = pictures.shape[axis] - 1
    where = plan(periods, axis, length, pictures.shape[1])
    slope, rows, weight, bare = weighted(pictures, axis, step, most)
    signals = np.matmul(waves_across(where.across, rows), slope)  # (N, C, K, L)
    n, c = pictures.shape[:2]
    tests, width = where.bins.shape
    line = np.zeros((n, tests, c), dtype=np.complex64)
    around = np.zeros((n, tests, c, width), dtype=np.complex64)
    at = 0
    for row, f in enumerate(where.across):
        mine = np.flatnonzero(where.rows == row)
        real = f in (0.0, 0.5)
        signal = signals[:, :, at] if real else signals[:, :, at] + 1j * signals[:, :, at + 1]
        at += 1 if real else 2
        spectrum = np.fft.rfft(signal) if real else np.fft.fft(signal)
        line[:, mine] = np.moveaxis(signal @ where.waves[mine].T, -1, 1)
        around[:, mine] = levelled(spectrum, where.bins[mine], np.array([where.which[t].along for t in mine]), length)
    around *= where.used[:, None, :]
    slopes = np.array([2 * abs(np.sin(np.pi * h.along)) for h in where.which])
    real_line = np.array([h.along == 0.5 and h.across in (0.0, 0.5) for h in where.which], dtype=bool)
    floor = (COHERENT * step * bare[:, None] * slopes)[..., None, None] ** 2 * np.eye(c)
    if c == 3:
        fine = (CHROMA * step * weight[:, None] * slopes * [turns(h) for h in where.which]) ** 2
        floor = floor + fine[..., None, None] * CHROMINANCE
    gain = np.sqrt(np.where(real_line, 1.0, 2.0)) / (weight[:, None] * slopes)
    detail = rows.size * length / np.sqrt(STRIP) / weight
    return Lines(where.which, line, around, where.used.sum(axis=1), real_line, floor, gain, detail)


def find_lines(
    pictures: NDArray[np.generic],
    periods: tuple[int, ...],
    step: float,
    most: int | None = None,
    axes: tuple[int, ...] = (-1, -2),
) -> Lines:
    """Compute the `Lines` of both axes for pictures (N, C, H, W).

    `step` is the height of one rounding step in the picture's own units (1 for 8-bit pixels, 0 for floats that were
    never rounded); `most` limits the strips looked at along each axis. Source: the line-against-neighbourhood
    test of spectral analysis (Thomson 1982, doi 10.1109/PROC.1982.12433), here with local weights.
    """
    parts = [axis_lines(pictures, periods, axis, step, most) for axis in axes]
    width = max(part.around.shape[-1] for part in parts)
    padded = [np.pad(p.around, [(0, 0)] * 3 + [(0, width - p.around.shape[-1])]) for p in parts]
    return Lines(
        tuple(h for part in parts for h in part.harmonics),
        np.concatenate([p.line for p in parts], axis=1),
        np.concatenate(padded, axis=1),
        np.concatenate([p.count for p in parts]),
        np.concatenate([p.real for p in parts]),
        np.concatenate([p.floor for p in parts], axis=1),
        np.concatenate([p.gain for p in parts], axis=1),
        np.asarray(np.prod([p.detail for p in parts], axis=0) ** (1 / len(parts))),
    )
