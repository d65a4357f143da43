"""Spectral lines against their neighbourhood: what a harmonic carries beyond what the picture itself explains.

The picture is cut into strips eight pixels wide across the searched axis. The difference along the axis is
divided by its own local strength (so that one hard edge can't outvote a quiet sky), multiplied by the wave across,
and summed over all strips: one short signal a channel, whose spectrum is sharp where a lattice is and smooth where
only a picture is. The line at q/p is then held against the bins around it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.fft import fft, rfft  # numpy's takes four times as long for many short signals

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
    """The spectrum at T harmonics and at the bins around each, for N pictures of C channels.

    `line` (N, T, C) are complex sums; `shared` (N, T, C, C) is the mean of z z^H over the `count` (T,) bins around;
    `real` (T,) marks harmonics at which a real signal's spectrum is real; `floor` (N, T, C, C) is the covariance that
    rounding alone may put there; `gain` (N, T) turns |line| into the rms of the component in the picture's units;
    `detail` (N,) is the harmonic mean of the local rms difference of neighbours; `length`: how many samples the signals
    of each axis have. `around` (N, T, C, K) are the bins themselves, 0 beyond `count`, where they were asked for.
    """

    harmonics: tuple[Harmonic, ...]
    line: NDArray[np.complexfloating]
    shared: NDArray[np.complexfloating]
    count: NDArray[np.int64]
    real: NDArray[np.bool_]
    floor: Real
    gain: Real
    detail: Real
    length: tuple[int, ...]
    around: NDArray[np.complexfloating] | None = None

    @property
    def noise(self) -> Real:
        """The mean power (N, T) of a channel at every line that its neighbourhood and rounding account for."""
        power = np.einsum("ntcc->nt", self.shared).real + np.einsum("ntcc->nt", self.floor)
        return np.asarray(power / self.line.shape[-1])

    def of(self, periods: tuple[int, ...]) -> NDArray[np.bool_]:
        """Mark which lines belong to which of the periods: (T, P)."""
        return np.equal.outer([h.period for h in self.harmonics], periods)


def rising(spectrum: NDArray[np.complexfloating], length: int) -> Real:
    """Fit half the exponent (N,), within `RISE`, with which the power of a spectrum (N, C, F) follows |sin pi f|^2.

    The difference along the axis turns noise into a spectrum |sin pi f|^2 and most photographs into a flat one.
    """
    power = (spectrum.real**2 + spectrum.imag**2).sum(axis=1)[:, 1:]
    return np.asarray(np.clip(np.log(power + 1e-30) @ slopes(power.shape[-1], length), *RISE))


@lru_cache(maxsize=128)
def slopes(count: int, length: int) -> Real:
    """Give what the logarithms of the powers at bins 1 to `count` are multiplied with to fit that exponent."""
    sine = np.log(np.sin(np.pi * np.arange(1, count + 1) / length))
    sine -= sine.mean()
    return np.asarray(sine / (sine @ sine) / 2)


def products(bins: NDArray[np.complexfloating], vouch: Real) -> NDArray[np.complexfloating]:
    """Sum z z^H over the bins (N, C, F) that vouch for each line, by the table `vouch` (T, F): (N, T, C, C).

    Two channels of which only the second bin counts for the line:

    >>> products(np.array([[[5.0, 1.0], [5.0, 1j]]]), np.array([[0.0, 1.0]]))[0, 0]
    array([[1.+0.j, 0.-1.j],
           [0.+1.j, 1.+0.j]])
    """
    n, c, width = bins.shape
    real, imaginary = bins.real.copy(), bins.imag.copy()
    pairs = [(i, j) for i in range(c) for j in range(i + 1)]
    mixed = [(i, j) for i, j in pairs if i != j]
    planes = np.empty((n, len(pairs) + len(mixed), width), dtype=real.dtype)
    for at, (i, j) in enumerate(pairs):
        planes[:, at] = real[:, i] * real[:, j] + imaginary[:, i] * imaginary[:, j]
    for at, (i, j) in enumerate(mixed, len(pairs)):
        planes[:, at] = imaginary[:, i] * real[:, j] - real[:, i] * imaginary[:, j]
    sums = (planes.reshape(-1, width) @ vouch.T).reshape(n, planes.shape[1], -1)
    out = np.zeros((n, vouch.shape[0], c, c), dtype=np.complex128)
    for at, (i, j) in enumerate(pairs):
        out.real[:, :, i, j] = out.real[:, :, j, i] = sums[:, at]
    for at, (i, j) in enumerate(mixed, len(pairs)):
        out.imag[:, :, i, j] = sums[:, at]
        out.imag[:, :, j, i] = -sums[:, at]
    return out


def at_lines(waves: NDArray[np.float32], table: NDArray[np.float32]) -> NDArray[np.complexfloating]:
    """Compute the spectrum (N, T, C) of one wave (1, N, C, L), or of a cosine and a sine (2, ...), at T lines.

    `table` (L, 2 T) holds the lines' cosines and their minus sines: real numbers, so one real product.
    """
    k, n, c, length = waves.shape
    half = table.shape[1] // 2
    out = (waves.reshape(-1, length) @ table).reshape(k, n, c, -1)
    line = out[0, ..., :half] + 1j * out[0, ..., half:]
    if k == 2:
        line += 1j * out[1, ..., :half] - out[1, ..., half:]
    return np.moveaxis(line, -1, 1)


def axis_lines(strips: Strips, periods: tuple[int, ...], step: float, apart: bool = False) -> Lines:
    """Compute the `Lines` of one axis; `apart`: with the bins themselves."""
    n, c, length = strips.values.shape[0], strips.values.shape[1], strips.values.shape[-1] - 1
    where = plan(periods, strips.axis, length, c)
    signals = weigh(strips, (0.0, *(ridge.across for ridge in where.ridges if ridge.across)), step)
    tests, width = where.used.shape
    line = np.zeros((n, tests, c), dtype=np.complex64)
    shared = np.zeros((n, tests, c, c), dtype=np.complex128)
    around = np.zeros((n, tests, c, width), dtype=np.complex64) if apart else None
    at = 0
    for ridge in where.ridges:
        waves = signals.waves[at : at + (1 if ridge.across in (0.0, 0.5) else 2)]
        at += len(waves)
        spectrum = rfft(waves[0]) if len(waves) == 1 else fft(waves[0] + 1j * waves[1])
        rise = rising(spectrum, length)[:, None]
        level = (np.sin(np.pi * ridge.bins / length) ** -rise).astype(np.float32)
        bins = spectrum[:, :, ridge.bins] * level[:, None]
        back = where.sines[ridge.lines] ** rise  # (N, lines): to what the bins would be at the line's frequency
        line[:, ridge.lines] = at_lines(waves, ridge.table)
        shared[:, ridge.lines] = products(bins, ridge.vouch) * (back**2)[..., None, None]
        if around is not None:
            around[:, ridge.lines] = np.moveaxis(bins[:, :, ridge.places], 1, 2) * back[..., None, None]
    if around is not None:
        around *= where.used[:, None, :]
    shared /= where.count[:, None, None]
    shared.imag[:, where.real] = 0
    weight = signals.weight[:, None]
    steps = (COHERENT * signals.bare[:, None]) ** 2
    floor = (steps * (2 * step * where.sines) ** 2)[..., None, None] * np.eye(c)
    if c == 3:
        fine = (CHROMA * step * weight * 2 * where.sines * where.turning) ** 2
        floor = floor + fine[..., None, None] * CHROMINANCE
    gain = np.sqrt(np.where(where.real, 1.0, 2.0)) / (weight * 2 * where.sines)
    return Lines(where.which, line, shared, where.count, where.real, floor, gain, signals.detail, (length,), around)


def find_lines(
    pictures: NDArray[np.generic],
    periods: tuple[int, ...],
    step: float,
    most: int | None = None,
    axes: tuple[int, ...] = (-1, -2),
    apart: bool = False,
) -> Lines:
    """Compute the `Lines` of both axes for pictures (N, C, H, W).

    `step` is the height of one rounding step in the picture's own units (1 for 8-bit pixels, 0 for floats that were
    never rounded); `most` limits the strips looked at along each axis; `apart`: with the bins themselves, as pooling
    needs them. Source: the line-against-neighbourhood test of spectral analysis (Thomson 1982, doi
    10.1109/PROC.1982.12433), here with local weights.
    """
    return lines_of([cut(pictures, axis, most) for axis in axes], periods, step, apart)


def lines_of(cuts: Iterable[Strips], periods: tuple[int, ...], step: float, apart: bool = False) -> Lines:
    """Compute the `Lines` of strips that are cut already, of one axis or both; see `find_lines`."""
    parts = [axis_lines(strips, periods, step, apart) for strips in cuts]
    around = [p.around for p in parts if p.around is not None]
    width = max((a.shape[-1] for a in around), default=0)
    padded = [np.pad(a, [(0, 0)] * 3 + [(0, width - a.shape[-1])]) for a in around]
    return Lines(
        tuple(h for part in parts for h in part.harmonics),
        np.concatenate([p.line for p in parts], axis=1),
        np.concatenate([p.shared for p in parts], axis=1),
        np.concatenate([p.count for p in parts]),
        np.concatenate([p.real for p in parts]),
        np.concatenate([p.floor for p in parts], axis=1),
        np.concatenate([p.gain for p in parts], axis=1),
        np.asarray(np.prod([p.detail for p in parts], axis=0) ** (1 / len(parts))),
        tuple(length for p in parts for length in p.length),
        np.concatenate(padded, axis=1) if apart else None,
    )
