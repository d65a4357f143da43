"""Correction: the grid of a model's output as a smooth function of the local colour, to be subtracted from it.

As a camera's flat-field correction, with a pattern for every colour. The local colour is the mean over one period
around each position: it has no grid, and it means the same at every phase (a mean over the block that a position lies
in would not: the middle of a block is nearer to its mean than the corners are, in any photograph).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt

from flatfield.core.taps import Ints

Real = npt.NDArray[np.float64]
JOINT = 4
"""Up to so many channels are corrected as functions of all of them; more, each as a function of its own mean."""


@dataclass(frozen=True)
class FitStatistics:
    """How a correction was fitted: on how much, and what cross-validation said.

    `gains` are the shares of the grid's power in held-out examples that degree 0, 1 and 2 removed, each with its
    standard error in `errors`; negative: they added. `kept` is the share of the coefficients' power that was beyond
    noise and is used.
    """

    examples: int = 0
    flats: int = 0
    gains: tuple[float, ...] = ()
    errors: tuple[float, ...] = ()
    kept: float = 0.0


@dataclass(frozen=True)
class Correction:
    """What to subtract from outputs (n, channels, *space), phase by phase.

    `colour` (groups, members, members) turns a local mean less `centre` (channels,) into coordinates, cut off at `low`
    and `high` (groups, members): colours outside of what was calibrated on are treated as the nearest one inside.
    `coefficients` (phases, groups, members, terms) multiply 1, the coordinates, and the products of two. Groups: one of
    all channels, or one for each channel where there are many. `degree` -1: nothing to correct.

    >>> flat = Correction((2,), 0, *(np.zeros(1),), *(np.ones((1, 1, 1)),), *(np.zeros((1, 1)),) * 2,
    ...                   np.array([0.5, -0.5]).reshape(2, 1, 1, 1))
    >>> flat.apply(np.array([[[2.0, 1.0, 2.0]]])).tolist()
    [[[1.5, 1.5, 1.5]]]
    """

    period: Ints
    degree: int
    centre: Real
    colour: Real
    low: Real
    high: Real
    coefficients: Real
    statistics: FitStatistics = FitStatistics()

    @property
    def channels(self) -> int:
        """Channels of the outputs."""
        return len(self.centre)

    def apply(self, outputs: npt.ArrayLike) -> Real:
        """Subtract the grid from outputs (n, channels, *space), in double precision; the reference for the layers."""
        whole = np.asarray(outputs, dtype=np.float64)
        if self.degree < 0:
            return whole.copy()
        return np.asarray(whole - self.grid(whole))

    def grid(self, outputs: Real) -> Real:
        """Compute what is subtracted."""
        space = outputs.shape[2:]
        phase = phases(space, self.period)
        if self.degree == 0:
            constant = self.coefficients[..., 0].reshape(prod(self.period), self.channels)
            return np.broadcast_to(np.moveaxis(constant[phase], -1, 0), outputs.shape).astype(np.float64)
        terms = self.terms(local_mean(outputs, self.period))
        chosen = self.coefficients[phase.ravel()].reshape(*space, *self.coefficients.shape[1:])
        letters = "uvwxyz"[: len(space)]
        found = np.einsum(f"{letters}gck,ngk{letters}->ngc{letters}", chosen, terms)
        return np.asarray(found.reshape(outputs.shape))

    def terms(self, means: Real) -> Real:
        """Compute what the coefficients multiply, (n, groups, terms, *space), from local means."""
        at = self.coordinates(means)
        return terms(np.clip(at, _lift(self.low, at), _lift(self.high, at)), self.degree)

    def coordinates(self, means: Real) -> Real:
        """Compute the coordinates (n, groups, members, *space) of local means (n, channels, *space)."""
        return coordinates(means, self.centre, self.colour)


def coordinates(means: Real, centre: Real, colour: Real) -> Real:
    """Turn means (n, channels, *space) into coordinates (n, groups, members, *space)."""
    away = means - centre.reshape(-1, *(1,) * (means.ndim - 2))
    grouped = away.reshape(len(means), *colour.shape[:2], *means.shape[2:])
    return np.asarray(np.einsum("gij,ngj...->ngi...", colour, grouped))


def _lift(bounds: Real, like: Real) -> Real:
    return bounds.reshape(*bounds.shape, *(1,) * (like.ndim - 3))


def pairs(members: int) -> list[tuple[int, int]]:
    """List the products of degree 2: each coordinate with itself and those behind it.

    >>> pairs(2)
    [(0, 0), (0, 1), (1, 1)]
    """
    return [(i, j) for i in range(members) for j in range(i, members)]


def count_terms(members: int, degree: int) -> int:
    """Count the terms of a polynomial.

    >>> [count_terms(3, degree) for degree in (0, 1, 2)]
    [1, 4, 10]
    """
    return 1 + (members if degree > 0 else 0) + (len(pairs(members)) if degree > 1 else 0)


def terms(at: Real, degree: int) -> Real:
    """Compute 1, the coordinates and their products along the third axis of `at` (n, groups, members, *space)."""
    parts = [np.ones_like(at[:, :, :1])]
    if degree > 0:
        parts.append(at)
    if degree > 1:
        parts += [at[:, :, i : i + 1] * at[:, :, j : j + 1] for i, j in pairs(at.shape[2])]
    return np.concatenate(parts, axis=2)


def local_mean(outputs: Real, period: Ints) -> Real:
    """Average (n, channels, *space) over one period around each position; near borders, the nearest whole window.

    An even period has no middle: half of the position before the window and half of the one behind it count, so that
    every phase still weighs the same. Raises `ValueError` for outputs smaller than the window.

    >>> local_mean(np.array([[[2.0, 1.0, 2.0, 1.0, 2.0]]]), (2,)).tolist()
    [[[1.5, 1.5, 1.5, 1.5, 1.5]]]
    """
    mean = outputs
    for axis, step in enumerate(period, start=2):
        if step == 1:
            continue
        reach = step // 2
        if mean.shape[axis] < 2 * reach + 1:
            size = " x ".join(map(str, outputs.shape[2:]))
            raise ValueError(
                f"an output of {size} is smaller than one period of the grid, {_by(period)}: give a larger one"
            )
        running = np.cumsum(mean, axis=axis)
        running = np.concatenate([np.zeros_like(running.take([0], axis)), running], axis=axis)
        n = running.shape[axis]
        box = (running.take(range(step, n), axis) - running.take(range(n - step), axis)) / step
        if step % 2 == 0:
            n = box.shape[axis]
            box = (box.take(range(1, n), axis) + box.take(range(n - 1), axis)) / 2
        mean = np.pad(box, [(reach, reach) if a == axis else (0, 0) for a in range(mean.ndim)], mode="edge")
    return np.asarray(mean)


def _by(sizes: Ints) -> str:
    return " x ".join(map(str, sizes))


def phases(space: Ints, period: Ints) -> npt.NDArray[np.int64]:
    """Number the phases: for every position of `space` its place in a tile, in C order.

    >>> phases((2, 3), (2, 2)).tolist()
    [[0, 1, 0], [2, 3, 2]]
    """
    place = np.zeros((1,) * len(space), dtype=np.int64)
    for axis, (n, step) in enumerate(zip(space, period, strict=True)):
        along = np.arange(n) % step
        place = place * step + along.reshape([-1 if a == axis else 1 for a in range(len(space))])
    return place
