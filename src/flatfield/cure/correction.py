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
from flatfield.cure.colours import Colours, Real


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

    `coefficients` (phases, groups, members, terms) multiply 1, the coordinates of the local colour, and the products of
    two. `degree` -1: nothing to correct.

    >>> colours = Colours(np.zeros(1), np.ones((1, 1, 1)), np.zeros((1, 1)), np.zeros((1, 1)))
    >>> flat = Correction((2,), 0, colours, np.array([0.5, -0.5]).reshape(2, 1, 1, 1))
    >>> flat.apply(np.array([[[2.0, 1.0, 2.0]]])).tolist()
    [[[1.5, 1.5, 1.5]]]
    """

    period: Ints
    degree: int
    colours: Colours
    coefficients: Real
    statistics: FitStatistics = FitStatistics()

    @property
    def channels(self) -> int:
        """Channels of the outputs."""
        return len(self.colours.centre)

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
        terms = self.colours.terms(local_mean(outputs, self.period), self.degree)
        chosen = self.coefficients[phase.ravel()].reshape(*space, *self.coefficients.shape[1:])
        letters = "uvwxyz"[: len(space)]
        found = np.einsum(f"{letters}gck,ngk{letters}->ngc{letters}", chosen, terms)
        return np.asarray(found.reshape(outputs.shape))


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
