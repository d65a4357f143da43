"""Patterns: inputs beyond constants, ramps and stripes; numpy alone, the same for every framework."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from flatfield.core.taps import Ints
from flatfield.probe.period import Periods

RAMP, STRIPES = "ramp", "stripes"
Array = npt.NDArray[np.float64]


def triangle(n: int) -> Array:
    """One rise from -1 to 1 and one fall in n positions: the ramp that a torus can hold.

    >>> triangle(8).tolist()
    [-1.0, -0.5, 0.0, 0.5, 1.0, 0.5, 0.0, -0.5]
    """
    up = np.arange(n) * 4 / n - 1
    return np.asarray(np.where(up <= 1, up, 2 - up))


def pattern_of(kind: str, shape: Ints, axes: Ints) -> Array:
    """Give a pattern of deviation 1 or so that broadcasts to `shape`, whose positions are on `axes`.

    A ramp runs along the last of them; stripes are random numbers along all others (and in every channel), and
    constant along the last.

    >>> pattern_of("ramp", (1, 3, 2, 4), (2, 3)).ravel().tolist()
    [-1.0, 0.0, 1.0, 0.0]
    """
    if kind == RAMP:
        return triangle(shape[axes[-1]]).reshape([n if axis == axes[-1] else 1 for axis, n in enumerate(shape)])
    along = [1 if axis == axes[-1] else n for axis, n in enumerate(shape)]
    return np.random.default_rng(0).standard_normal(along)


def periods_of(kind: str, size: Ints) -> Periods:
    """Periods of a pattern on the axes that hold positions; a flat field's without a pattern.

    >>> periods_of("ramp", (1, 32)), periods_of("stripes", (8, 2)), periods_of("", (4, 4))
    ((1, 32), (8, 1), (1, 1))
    """
    if kind == RAMP:
        return (*(1,) * (len(size) - 1), size[-1])
    return (*size[:-1], 1) if kind == STRIPES else (1,) * len(size)


def moments(example: npt.NDArray[np.floating], axes: Ints) -> tuple[Array, Array]:
    """Mean and deviation over positions, in double precision.

    >>> [float(number) for number in moments(np.array([[1.0, 3.0]]), (1,))]
    [2.0, 1.0]
    """
    mean = example.mean(axis=axes, keepdims=True, dtype=np.float64)
    return mean, example.std(axis=axes, keepdims=True, dtype=np.float64)


def strength_of(mean: Array, deviation: Array) -> Array:
    """Make a pattern as strong as the example's deviation, channel by channel; as its mean, or 1, where all are even.

    >>> strength_of(np.array([2.0, -3.0]), np.zeros(2)).tolist()
    [2.0, 3.0]
    """
    if deviation.any():
        return deviation
    return np.abs(mean) if mean.any() else np.ones_like(mean)
