"""Results: what is left of a run over many files to be looked at; plain data, small however many files there were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flatfield.measure.exhibit import Exhibit
from flatfield.measure.row import Row, Settings
from flatfield.measure.spectrum import Spectrum

LEVELS = 2.0 ** (np.arange(-10, 17) / 2)
"""Edges of the bins of strengths in grey levels: two to an octave, from 1/32 to 256."""
DECIBELS = np.arange(-120.0, 1.0, 6.0)
"""Edges of the bins of strengths in dB re full scale."""


@dataclass(frozen=True)
class Bin:
    """Files whose strength lies from `low` up to `high`: how many with a grid (or a tone), and how many without."""

    low: float
    high: float
    with_grid: int
    without: int


@dataclass(frozen=True)
class Results:
    """A run over many files.

    `strengths`: the distribution over pictures and batches in grey levels, `loudness`: over sounds with a tone in dB
    re full scale; `periods`: how many files show each period; `worst`: the pictures with most grid, strongest first,
    `median`: those in the middle when all are sorted by strength; `spectrum`: pooled over a sample of the pictures;
    `rows`: the strongest of all kinds, `failed`: the first of those that could not be read.
    """

    settings: Settings
    files: int
    errors: int
    with_grid: int
    strengths: tuple[Bin, ...]
    loudness: tuple[Bin, ...]
    periods: tuple[tuple[int, int], ...]
    worst: tuple[Exhibit, ...]
    median: tuple[Exhibit, ...]
    spectrum: Spectrum | None
    rows: tuple[Row, ...]
    failed: tuple[Row, ...]


def bins(strengths: tuple[Sequence[float], Sequence[float]], edges: NDArray[np.float64]) -> tuple[Bin, ...]:
    """Count strengths of files with a grid, and of those without, between edges.

    What lies beyond the edges counts in the first and last bin; empty ends are cut off.

    >>> bins(([1.1, 1.2], [0.9]), np.array([0.0, 0.5, 1.0, 1.5, 2.0]))
    (Bin(low=0.5, high=1.0, with_grid=0, without=1), Bin(low=1.0, high=1.5, with_grid=2, without=0))
    """
    last = edges.size - 2
    with_grid, without = (
        np.bincount(np.clip(np.searchsorted(edges, kind, side="right") - 1, 0, last), minlength=last + 1)
        for kind in strengths
    )
    used = np.flatnonzero(with_grid + without)
    if not used.size:
        return ()
    return tuple(
        Bin(float(edges[i]), float(edges[i + 1]), int(with_grid[i]), int(without[i]))
        for i in range(used[0], used[-1] + 1)
    )
