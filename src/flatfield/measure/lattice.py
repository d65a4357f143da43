"""How much grid is in these pictures: strength, probability and period, from pixels alone."""

from __future__ import annotations

from dataclasses import dataclass
from math import lcm

import numpy as np
from numpy.typing import ArrayLike, NDArray

from flatfield.measure.evidence import calibrated, cauchy, corrected, either
from flatfield.measure.harmonics import PERIODS, checked
from flatfield.measure.hotelling import line_test
from flatfield.measure.lines import Lines, find_lines

Real = NDArray[np.float64]
SMALLEST = 16  # pixels a side
MIXED = 4  # up to so many channels are tested together; more are tested one by one


@dataclass(frozen=True)
class Lattice:
    """What was found in N pictures at P periods.

    `p_values` (N, P): how often a picture without a grid shows this much at that period; NaN where the picture is
    too small to tell. `strength` (N, P): rms of the component that belongs to the period alone, in the picture's own
    units (grey levels for 8-bit pixels), over the channels. `relative` (N, P): the same in units of the picture's
    local detail (the typical rms difference of neighbours where it is quiet).
    """

    periods: tuple[int, ...]
    p_values: Real
    strength: Real
    relative: Real

    @property
    def p_value(self) -> Real:
        """The smallest probability of each picture (N,), corrected for the periods asked for."""
        return np.asarray(corrected(self.p_values), dtype=np.float64)

    def found(self, level: float = 0.001) -> tuple[tuple[int, ...], ...]:
        """List the periods of each picture: none unless its corrected p-value is below `level`; else all below it."""
        with np.errstate(invalid="ignore"):
            below = (self.p_values < level) & (self.p_value < level)[:, None]
        return tuple(tuple(p for p, b in zip(self.periods, row, strict=True) if b) for row in below)

    def fundamental(self, level: float = 0.001) -> tuple[int, ...]:
        """Give the period of the whole tile of each picture: the least common multiple of those found; 0 for none."""
        return tuple(lcm(*found) if found else 0 for found in self.found(level))


def pictures_of(images: ArrayLike) -> NDArray[np.generic]:
    """Check and shape pictures: (H, W), (C, H, W) or (N, C, H, W) become (N, C, H, W); ValueError for others."""
    array = np.asarray(images)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"pictures of type {array.dtype} can't be measured: give integers or floats")
    if not 2 <= array.ndim <= 4:
        raise ValueError(f"shape {array.shape} is no picture: give (H, W), (C, H, W) or (N, C, H, W)")
    array = array.reshape((1,) * (4 - array.ndim) + array.shape)
    check_size(*array.shape[2:])
    if 0 in array.shape:
        raise ValueError(f"shape {array.shape} holds no picture")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError("the pictures hold NaN or infinite values: replace or mask them first")
    return array


def check_size(height: int, width: int) -> None:
    """Raise ValueError for a picture too small to tell anything from."""
    if min(height, width) < SMALLEST:
        raise ValueError(f"a picture of {width} x {height} is too small: {SMALLEST} pixels a side or more")


def step_of(array: NDArray[np.generic], step: float | None) -> float:
    """Give the rounding step: the one asked for, else 1 for integers and 0 for floats."""
    return float(step) if step is not None else 0.0 if array.dtype.kind == "f" else 1.0


def strengths(lines: Lines, periods: tuple[int, ...]) -> Real:
    """Compute the rms (N, P) of every period's own component: the lines' power beyond their neighbourhood's."""
    power = (np.abs(lines.line.astype(np.complex128)) ** 2).mean(axis=-1) - lines.noise
    own = lines.of(periods)
    return np.where(own.any(axis=0), np.sqrt(np.maximum((power * lines.gain**2) @ own, 0.0)), np.nan)


def period_test(lines: Lines, periods: tuple[int, ...]) -> Real:
    """Combine the lines of every period into one calibrated probability (N, P); NaN where no line fits the picture."""
    own = lines.of(periods)
    return np.where(own.any(axis=0), calibrated(either(line_test(lines), own)), np.nan)


def measure_lattice(
    images: ArrayLike,
    periods: tuple[int, ...] | list[int] | range = PERIODS,
    *,
    step: float | None = None,
    strips: int | None = None,
) -> Lattice:
    """Measure the lattice of pictures (N, C, H, W), (C, H, W) or (H, W), 16 pixels a side or more.

    `periods` in pixels; `step` is the height of one rounding step in the pictures' units (1 for integers, 0 for floats
    unless told: 1/255 for 8-bit pixels divided by 255); `strips` looks at so many bands of eight pixels along each
    axis instead of all. Raises ValueError on what is no picture. Source: Odena, Dumoulin and Olah 2016
    (doi 10.23915/distill.00003) for the fault; for the statistic see `docs/measure.md`.

    A checkerboard of one grey level up and down under noise of eight, and the noise alone:

    >>> noise = np.random.default_rng(0).normal(128, 8, (2, 1, 64, 64))
    >>> noise[0, 0] += (-1.0) ** np.add.outer(np.arange(64), np.arange(64))
    >>> lattice = measure_lattice(noise.round().astype(np.uint8), (2, 4, 8))
    >>> lattice.found(), bool(lattice.p_value[0] < 1e-4)
    (((2,), ()), True)
    >>> lattice.strength[0, 0].round(1)
    np.float64(1.1)
    """
    array, wanted = pictures_of(images), checked(periods)
    if array.shape[1] > MIXED:
        return one_by_one(array, wanted, step_of(array, step), strips)
    return lattice_of(find_lines(array, wanted, step_of(array, step), strips), wanted)


def lattice_of(lines: Lines, periods: tuple[int, ...]) -> Lattice:
    """Test the lines of N pictures, period by period."""
    strength = strengths(lines, periods)
    return Lattice(periods, period_test(lines, periods), strength, strength / lines.detail[:, None])


def one_by_one(array: NDArray[np.generic], periods: tuple[int, ...], step: float, strips: int | None) -> Lattice:
    """Measure each of many channels (feature maps, spectral bands) for itself, and combine them."""
    n, c, height, width = array.shape
    single = measure_lattice(array.reshape(n * c, 1, height, width), periods, step=step, strips=strips)
    p = single.p_values.reshape(n, c, -1).swapaxes(1, 2)
    strength = np.sqrt((single.strength.reshape(n, c, -1) ** 2).mean(axis=1))
    relative = np.sqrt((single.relative.reshape(n, c, -1) ** 2).mean(axis=1))
    return Lattice(periods, np.where(np.isnan(p).any(-1), np.nan, cauchy(p)), strength, relative)
