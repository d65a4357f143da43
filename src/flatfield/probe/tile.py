"""Tile: one period of a periodic output, and what can be said of it; numpy alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from flatfield.core import unevenness
from flatfield.core.taps import Ints
from flatfield.report import ToneReport

_ROUNDING = 1e-6  # of the signal's own size: below this, numbers in single precision are equal
_MOST_LISTED = 4096


@dataclass(frozen=True)
class Tile:
    """Numbers of one period (or several), (channels, *space); batch entries count as channels.

    >>> tile = Tile(np.array([[2.0, 1.0, 2.0, 1.0]]))
    >>> tile.period, round(tile.unevenness, 4), tile.peak_to_peak
    ((2,), 0.3162, 1.0)
    """

    values: npt.NDArray[np.float64]

    @property
    def dims(self) -> int:
        """Number of spatial dimensions."""
        return self.values.ndim - 1

    @cached_property
    def departure(self) -> npt.NDArray[np.float64]:
        """What departs from each channel's mean."""
        space = tuple(range(1, self.values.ndim))
        return np.asarray(self.values - self.values.mean(axis=space, keepdims=True))

    @property
    def unevenness(self) -> float:
        """Unevenness with the positions as phases, 0 to 1."""
        return unevenness(np.moveaxis(self.values, 0, -1)[..., None])

    @property
    def peak_to_peak(self) -> float:
        """Largest difference between two positions of one channel, in output units."""
        return float(np.ptp(self.values.reshape(len(self.values), -1), axis=1).max(initial=0.0))

    @property
    def power(self) -> float:
        """Mean square of what departs from the mean."""
        return float(np.mean(self.departure**2))

    def period_for(self, size: float) -> Ints:
        """The least shift along each axis that changes nothing, for a signal of the given size."""
        return tuple(self._least(axis, size) for axis in range(1, self.values.ndim))

    @cached_property
    def period(self) -> Ints:
        """The least shift along each axis that changes nothing beyond rounding."""
        return self.period_for(float(np.abs(self.values).max(initial=0.0)))

    def _least(self, axis: int, size: float) -> int:
        n = int(self.values.shape[axis])
        allowed = max(_ROUNDING * size, 1e-4 * float(np.abs(self.departure).max(initial=0.0)))
        for period in (p for p in range(1, n) if n % p == 0):
            if np.abs(self.values - np.roll(self.values, period, axis)).max() <= allowed:
                return period
        return n

    def one_period(self) -> npt.NDArray[np.float64]:
        """The first period of every axis."""
        return self.values[(slice(None), *(slice(0, p) for p in self.period))]

    def listed(self) -> tuple[tuple[float, ...], Ints]:
        """One period as plain numbers of six digits with its shape; of large ones the first channels, or nothing.

        >>> Tile(np.array([[0.5, 0.25]])).listed()
        ((0.5, 0.25), (1, 2))
        """
        tile = self.one_period()
        tile = tile[: max(0, _MOST_LISTED // max(1, tile[0].size))]
        if tile.size == 0:
            return (), ()
        return tuple(float(f"{v:.6g}") for v in tile.ravel()), tile.shape

    def tones(self, rate: float) -> tuple[ToneReport, ...]:
        """Tones that a grid in sound makes at `rate` samples a second: frequency, and level against amplitude 1.

        >>> [(tone.frequency, round(tone.level)) for tone in Tile(np.array([[0.1, 0.0, -0.1, 0.0]])).tones(8000.0)]
        [(2000.0, -20)]
        """
        if self.dims != 1:
            return ()
        loud = self.departure[int(np.argmax(np.sum(self.departure**2, axis=1)))]
        bins = np.abs(np.fft.rfft(loud)) / len(loud)
        twice = np.full(len(bins), 2.0)
        if len(loud) % 2 == 0:
            twice[-1] = 1.0
        levels = bins * twice
        size = float(np.abs(self.values).max(initial=0.0))
        floor = max(_ROUNDING * size, 1e-4 * float(levels.max(initial=0.0)))
        return tuple(
            ToneReport(rate * q / len(loud), 20 * math.log10(level))
            for q, level in enumerate(levels) if q and level > floor
        )  # fmt: skip
