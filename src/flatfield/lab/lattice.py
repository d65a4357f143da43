"""The lattice statistic over a set of pictures from one network: which periods it draws."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from flatfield.lab.patches import GREY_LEVELS, to_bytes
from flatfield.measure.evidence import cauchy
from flatfield.measure.lattice import measure_lattice

PERIODS = (2, 4, 8)
SIGNIFICANT = 0.001
LARGEST = 0.5


@dataclass(frozen=True)
class SetLattice:
    """For each of `periods`: the probability over the whole set, and the mean strength in grey levels."""

    periods: tuple[int, ...]
    p_values: tuple[float, ...]
    strengths: tuple[float, ...]

    @property
    def found(self) -> tuple[int, ...]:
        """The periods below `SIGNIFICANT`, corrected for how many were asked for."""
        level = SIGNIFICANT / len(self.periods)
        return tuple(period for period, p in zip(self.periods, self.p_values, strict=True) if p < level)


def set_lattice(pictures: Tensor, periods: tuple[int, ...] = PERIODS) -> SetLattice:
    """Measure pictures (n, 3, h, w) in [-1, 1], as the bytes that a file would hold, and pool them.

    Probabilities of one network's pictures depend on each other: Cauchy's combination allows that.

    >>> import torch
    >>> noise = torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 0.1
    >>> set_lattice(noise).found
    ()
    """
    lattice = measure_lattice(np.moveaxis(to_bytes(pictures), -1, 1), periods)
    # one picture without any detail has p = 1, whose deviate of minus infinity would outvote all the others
    p_values = [float(cauchy(np.minimum(column[np.isfinite(column)], LARGEST))) for column in lattice.p_values.T]
    strengths = np.nanmean(lattice.strength, axis=0)
    return SetLattice(lattice.periods, tuple(p_values), tuple(float(s) for s in strengths))


def phase_locked(pictures: Tensor, originals: Tensor | None, period: int) -> float:
    """Give the rms in grey levels of what all pictures have in common at each phase of a tile of `period`.

    Photographs have no phase: whatever is locked to it is the network's grid. With `originals`, their own phase
    component, which is chance, is taken off first. The mean over n pictures of (h / period)(w / period) tiles.

    >>> import torch
    >>> grid = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(8, 8).expand(1, 3, 16, 16) / GREY_LEVELS
    >>> round(phase_locked(grid, None, 2), 6)
    1.0
    """
    difference = (pictures if originals is None else pictures - originals).double()
    n, c, height, width = difference.shape
    tiles = difference.reshape(n, c, height // period, period, width // period, period).mean((0, 2, 4))
    deviation = tiles - tiles.mean((-2, -1), keepdim=True)
    return GREY_LEVELS * float(deviation.square().mean().sqrt())
