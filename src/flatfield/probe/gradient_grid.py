"""GradientGrid: what a gradient that arrives at an input shows, phase by phase; numpy alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from flatfield.core.taps import Ints
from flatfield.probe.patterns import moments
from flatfield.probe.tile import Tile
from flatfield.probe.unhonoured import NoGridError, missed
from flatfield.report import GradientReport, ProbeReport

Array = npt.NDArray[np.float64]
Gradient = Callable[[npt.NDArray[np.floating]], npt.NDArray[np.floating]]
"""The gradient of the sum of an output at an input of numbers, both laid out as the network lays them out."""

INPUTS = 32
SHIFTS = 8


@dataclass(frozen=True)
class Leaf:
    """The input whose gradient is asked for: its example, its axes of positions, and its period along each."""

    example: npt.NDArray[np.floating]
    axes: Ints
    period: Ints

    @property
    def shape(self) -> Ints:
        """The example's shape, made up to whole periods."""
        shape = list(self.example.shape)
        for axis, p in zip(self.axes, self.period, strict=True):
            shape[axis] = -(-shape[axis] // p) * p
        return tuple(shape)

    def flat(self) -> npt.NDArray[np.floating]:
        """The flat field with the example's channel means."""
        return np.array(np.broadcast_to(moments(self.example, self.axes)[0], self.shape), self.example.dtype)

    def noise(self, generator: np.random.Generator) -> npt.NDArray[np.floating]:
        """Normal numbers with the example's mean and deviation, channel by channel."""
        mean, deviation = moments(self.example, self.axes)
        return np.asarray(mean + deviation * generator.standard_normal(self.shape), self.example.dtype)

    def phases(self, gradient: npt.NDArray[np.floating]) -> Array:
        """Cut a gradient into periods: (periods, channels, *period)."""
        dims = len(self.period)
        array = np.moveaxis(gradient.astype(np.float64), self.axes, range(-dims, 0))
        array = array.reshape(array.shape[0], -1, *array.shape[-dims:])
        cut = [n for size, p in zip(array.shape[-dims:], self.period, strict=True) for n in (size // p, p)]
        parts = array.reshape(*array.shape[:2], *cut)
        moved = np.moveaxis(parts, range(2, 2 + 2 * dims, 2), range(1, 1 + dims))
        return np.asarray(moved.reshape(-1, array.shape[1], *self.period))

    def middle(self, gradient: npt.NDArray[np.floating]) -> Tile:
        """The period in the middle: all are the same, but for a network without padding, which ends at its borders."""
        for axis, p in zip(self.axes, self.period, strict=True):
            start = gradient.shape[axis] // p // 2 * p
            gradient = gradient.take(np.arange(start, start + p), axis)
        return Tile(self.phases(gradient).reshape(-1, *self.period))


def exact(leaf: Leaf, gradient_of: Gradient) -> GradientReport:
    """Say how uneven a flat gradient arrives, where one flat field decides it.

    Raises `ValueError` where no gradient arrives.
    """
    tile = leaf.middle(gradient_of(leaf.flat()))
    _refuse_nothing(tile)
    shifts = _some(list(_shifts(tile.period)), SHIFTS)
    moved = Tile(np.mean([np.roll(tile.values, shift, _space(tile.values)) for shift in shifts], axis=0))
    return GradientReport(tile.unevenness, tile.period, 1, None, _left(moved, tile), len(shifts))


def measured(leaf: Leaf, gradient_of: Gradient, count: int = INPUTS, seed: int = 0) -> GradientReport:
    """Mean and variance of the gradient over random inputs, phase by phase, and what jitter makes of the mean.

    Raises `ValueError` where no gradient arrives.
    """
    generator = np.random.default_rng(seed)
    phases: list[Array] = []
    still: list[Array] = []
    moved: list[Array] = []
    shifts = _some(list(_shifts(leaf.period)), SHIFTS)
    for _ in range(count):
        x = leaf.noise(generator)
        phases.append(leaf.phases(gradient_of(x)))
        if len(moved) < max(1, count // SHIFTS):
            still.append(phases[-1])
            moved.append(np.mean([_shifted(leaf, gradient_of, x, shift) for shift in shifts], axis=0))
    stacked = np.concatenate(phases)  # (inputs * periods, channels, *period)
    tile = Tile(stacked.mean(axis=0))
    _refuse_nothing(tile)
    variance = Tile(stacked.var(axis=0))
    left = _left(*(Tile(np.concatenate(each).mean(axis=0)) for each in (moved, still)))
    power = float(np.mean(stacked**2))
    strength, chance = (
        float(np.sqrt(np.mean(part) / power)) for part in (tile.values**2, variance.values / len(stacked))
    )
    return GradientReport(tile.unevenness, tile.period, count, variance.unevenness, left, len(shifts), strength, chance)


def with_gradient(found: ProbeReport | None, run: Callable[[], GradientReport]) -> ProbeReport | None:
    """Add a run backwards to a report; one that fails is listed with the reason, and nothing is said of no grid."""
    try:
        gradient = run()
    except NoGridError:
        return found
    except Exception as error:  # somebody's model, which may not have been made for gradients
        found = found or ProbeReport()
        return replace(found, missing=(*found.missing, missed("gradient", error)))
    return replace(found or ProbeReport(), gradient=gradient)


def _refuse_nothing(tile: Tile) -> None:
    if not np.isfinite(tile.values).all() or not tile.values.any():
        raise ValueError("no gradient arrives at the input: it is 0 there, or no number")


def _shifted(leaf: Leaf, gradient_of: Gradient, x: npt.NDArray[np.floating], shift: Ints) -> Array:
    gradient = gradient_of(np.roll(x, shift, leaf.axes))
    return leaf.phases(np.roll(gradient, tuple(-s for s in shift), leaf.axes))


def _shifts(period: Ints) -> Iterator[Ints]:
    return (tuple(int(i) for i in shift) for shift in np.ndindex(*period))


def _some(shifts: list[Ints], most: int) -> list[Ints]:
    """At most `most` shifts, spread over all of them so that every axis is shifted."""
    if len(shifts) <= most:
        return shifts
    chosen = np.random.default_rng(0).permutation(len(shifts))[:most]
    return [shifts[i] for i in sorted(chosen)]


def _space(values: Array) -> tuple[int, ...]:
    return tuple(range(1, values.ndim))


def _left(after: Tile, before: Tile) -> float:
    """What is left of a grid, as a ratio of rms."""
    return float(np.sqrt(after.power / before.power)) if before.power > 0 else 0.0
