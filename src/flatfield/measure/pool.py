"""Pool the pictures of one generator: a lattice too faint for any one of them adds up, the pictures don't."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from flatfield.measure.evidence import fisher
from flatfield.measure.harmonics import PERIODS, Harmonic, checked
from flatfield.measure.lattice import MIXED, Lattice, period_test, pictures_of, step_of, strengths
from flatfield.measure.lines import Lines, find_lines


@dataclass(frozen=True)
class Sums:
    """Running sums over pictures of one size: everything in it adds, so batches and ranks do.

    `line` (T, C) and `around` (T, C, K): the lines over their picture's noise; `floor` (T, C, C), `weight` (T,) and
    `detail`: what rounding may add, what a lattice of rms 1 would add, the log of the local detail; `pictures`: N.
    """

    line: NDArray[np.complex128]
    around: NDArray[np.complex128]
    floor: NDArray[np.float64]
    weight: NDArray[np.float64]
    detail: float
    pictures: int

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.line + other.line,
            self.around + other.around,
            self.floor + other.floor,
            self.weight + other.weight,
            self.detail + other.detail,
            self.pictures + other.pictures,
        )


def sums_of(lines: Lines) -> Sums:
    """Add up the lines of N pictures, each in units of its own noise, so that none outweighs the rest."""
    assert lines.around is not None  # whoever pools asks for it
    share = 1 / np.maximum(np.sqrt(lines.noise), 1e-30)
    return Sums(
        np.einsum("ntc,nt->tc", lines.line, share),
        np.einsum("ntck,nt->tck", lines.around, share),
        np.einsum("ntcd,nt->tcd", lines.floor, share**2),
        (share / lines.gain).sum(axis=0),
        float(np.log(lines.detail).sum()),
        lines.line.shape[0],
    )


def pooled(
    sums: Sums, like: tuple[tuple[Harmonic, ...], NDArray[np.int64], NDArray[np.bool_], tuple[int, ...]]
) -> Lines:
    """Make the sums a `Lines` of one picture again; `like` gives its harmonics, counts, which are real, and lengths.

    Rounding may push all pictures the same way: its covariance grows with N times the sum, not with the sum.

    Every picture was divided by its noise, which its own KC bins (K of C channels) estimate. So the bins have power 1
    whatever they were, and the line, which had no part in it, E[1/noise] = KC / (KC - 1): that much has to be added to
    what the bins say. Of one picture line and bins share the divisor, and Hotelling's test knows it already.
    """
    which, count, real, length = like
    bins = (count * sums.line.shape[-1])[:, None, None]
    apart = 1 + (1 - 1 / sums.pictures) / (bins - 1)
    shared = apart * (sums.around @ sums.around.conj().swapaxes(-1, -2)) / count[:, None, None]
    shared.imag[real] = 0
    return Lines(
        which,
        sums.line[None],
        shared[None],
        count,
        real,
        sums.pictures * sums.floor[None],
        1 / sums.weight[None],
        np.exp(np.array([sums.detail / sums.pictures])),
        length,
    )


class Pool:
    """Collect pictures of one generator, of any sizes, and test them as one.

    What repeats must keep its place relative to the picture's corner; that is so for whatever one network draws. Raises
    ValueError on pictures of more than four channels.

    Sixty-four noisy pictures with a lattice of a quarter of a grey level, too little for one of them:

    >>> from flatfield.measure.planted import plant
    >>> pictures = plant(np.random.default_rng(1).normal(128, 8, (64, 1, 64, 64)), 4, 0.25)
    >>> pool = Pool((2, 4, 8))
    >>> pool.add(pictures)
    >>> pool.lattice().found()
    ((4,),)
    """

    def __init__(self, periods: tuple[int, ...] | list[int] | range = PERIODS, *, step: float | None = None) -> None:
        self.periods = checked(periods)
        self.step = step
        self.groups: dict[tuple[int, ...], tuple[Sums, Lines]] = {}

    def add(self, images: ArrayLike, strips: int | None = None) -> None:
        """Add pictures (N, C, H, W), (C, H, W) or (H, W); `strips` as in `measure_lattice`."""
        array = pictures_of(images)
        if array.shape[1] > MIXED:
            raise ValueError(f"{array.shape[1]} channels can't be pooled: give at most {MIXED} at a time")
        self.add_lines(find_lines(array, self.periods, step_of(array, self.step), strips, apart=True), array.shape[1:])

    def add_lines(self, lines: Lines, shape: tuple[int, ...]) -> None:
        """Add what `find_lines` computed for pictures of this shape (C, H, W)."""
        sums = sums_of(lines)
        if shape in self.groups:
            sums = self.groups[shape][0] + sums
        self.groups[shape] = (sums, lines)

    def lattice(self) -> Lattice:
        """Test everything added so far as one picture (N = 1); ValueError when nothing was."""
        if not self.groups:
            raise ValueError("the pool is empty: add pictures first")
        tests, weights = [], []
        for sums, lines in self.groups.values():
            together = pooled(sums, (lines.harmonics, lines.count, lines.real, lines.length))
            strength = strengths(together, self.periods)
            tests.append((period_test(together, self.periods), strength, strength / together.detail[:, None]))
            weights.append(sums.pictures)
        p, strength, relative = (np.stack([t[i] for t in tests]) for i in range(3))
        if len(tests) == 1:
            return Lattice(self.periods, p[0], strength[0], relative[0])
        share = np.array(weights)[:, None, None] * np.isfinite(p)
        with np.errstate(invalid="ignore"):
            mean = [np.sqrt(np.nansum(share * x**2, 0) / share.sum(0)) for x in (strength, relative)]
        return Lattice(self.periods, together_p(p), mean[0], mean[1])


def together_p(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Combine the probabilities (G, N, P) of groups of different sizes by Fisher's rule; NaN where none could tell."""
    out = np.full(p.shape[1:], np.nan)
    for index in np.ndindex(out.shape):
        known = p[(slice(None), *index)]
        known = known[np.isfinite(known)]
        if known.size:
            out[index] = fisher(known) if known.size > 1 else known[0]
    return out
