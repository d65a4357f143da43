"""Spectral lines against their neighbourhood: what a harmonic carries beyond what the picture itself explains.

The picture is cut into strips eight pixels wide across the searched axis. The difference along the axis is
divided by its own local strength (so that one hard edge can't outvote a quiet sky), multiplied by the wave across,
and summed over all strips: one short signal a channel, whose spectrum is sharp where a lattice is and smooth where
only a picture is. The line at q/p is then held against the bins around it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flatfield.measure.harmonics import Harmonic
from flatfield.measure.plan import plan
from flatfield.measure.strips import Strips, cut, weigh

Real = NDArray[np.floating]
#: A slope rounded to whole steps is a staircase: a true period, though not a network's. Where nothing breaks it up, a
#: line may reach so many steps by rounding alone.
COHERENT = 0.12
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
    picture's units; `detail` (N,) is the harmonic mean of the local rms difference of neighbours; `length`: how many
    samples the signals of each axis have.
    """

    harmonics: tuple[Harmonic, ...]
    line: NDArray[np.complexfloating]
    around: NDArray[np.complexfloating]
    count: NDArray[np.int64]
    real: NDArray[np.bool_]
    floor: Real
    gain: Real
    detail: Real
    length: tuple[int, ...]


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


def turns(h: Harmonic) -> bool:
    """Say whether JPEG's rounding by turns puts something on this harmonic."""
    return h.period == 2 or (h.period == 4 and h.axis == -1 and h.across == 0.0)


def axis_lines(strips: Strips, periods: tuple[int, ...], step: float) -> Lines:
    """Compute the `Lines` of one axis."""
    n, c, length = strips.values.shape[0], strips.values.shape[1], strips.values.shape[-1] - 1
    where = plan(periods, strips.axis, length, c)
    signals = weigh(strips, (0.0, *(f for f in where.across if f)), step)
    tests, width = where.bins.shape
    line = np.zeros((n, tests, c), dtype=np.complex64)
    around = np.zeros((n, tests, c, width), dtype=np.complex64)
    at = 0
    for row, f in enumerate(where.across):
        mine = np.flatnonzero(where.rows == row)
        real = f in (0.0, 0.5)
        signal = signals.waves[:, :, at] if real else signals.waves[:, :, at] + 1j * signals.waves[:, :, at + 1]
        at += 1 if real else 2
        spectrum = np.fft.rfft(signal) if real else np.fft.fft(signal)
        line[:, mine] = np.moveaxis(signal @ where.waves[mine].T, -1, 1)
        around[:, mine] = levelled(spectrum, where.bins[mine], np.array([where.which[t].along for t in mine]), length)
    around *= where.used[:, None, :]
    slopes = np.array([2 * abs(np.sin(np.pi * h.along)) for h in where.which])
    real_line = np.array([h.along == 0.5 and h.across in (0.0, 0.5) for h in where.which], dtype=bool)
    steps = (COHERENT * signals.bare[:, None]) ** 2
    floor = (steps * (step * slopes) ** 2)[..., None, None] * np.eye(c)
    if c == 3:
        fine = (CHROMA * step * signals.weight[:, None] * slopes * [turns(h) for h in where.which]) ** 2
        floor = floor + fine[..., None, None] * CHROMINANCE
    gain = np.sqrt(np.where(real_line, 1.0, 2.0)) / (signals.weight[:, None] * slopes)
    return Lines(where.which, line, around, where.used.sum(axis=1), real_line, floor, gain, signals.detail, (length,))


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
    return lines_of([cut(pictures, axis, most) for axis in axes], periods, step)


def lines_of(cuts: Iterable[Strips], periods: tuple[int, ...], step: float) -> Lines:
    """Compute the `Lines` of strips that are cut already, of one axis or both; see `find_lines`."""
    parts = [axis_lines(strips, periods, step) for strips in cuts]
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
        tuple(length for p in parts for length in p.length),
    )
