"""Where to look in a spectrum: the line of every harmonic, and the bins around it that can vouch for it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from flatfield.measure.harmonics import Harmonic, harmonics

REACH = (6, 14)  # fewest and most bins looked at on either side of a line


@dataclass(frozen=True)
class Plan:
    """Where to look in a signal of `length` samples: the lines of one axis, grouped by their wave across."""

    across: tuple[float, ...]
    rows: NDArray[np.int64]  # (T,) which wave across
    waves: NDArray[np.complexfloating]  # (T, length) conjugate waves of the lines
    bins: NDArray[np.int64]  # (T, K) neighbours
    used: NDArray[np.bool_]  # (T, K)
    which: tuple[Harmonic, ...]


def neighbours(along: float, across: float, period: int, length: int) -> list[int]:
    """List the bins around a line that no harmonic of its own family falls on, nearest first.

    `length` is the number of samples. Bins within one of a multiple of 1/(p 2^k) are left out as long as these
    multiples are at least six bins apart: the lines of a chain (2, 4, 8) don't hide each other.

    >>> neighbours(0.5, 0.0, 2, 63)[:6]
    [30, 29, 28, 27, 26, 25]
    """
    reach = min(REACH[1], max(REACH[0], round(length / 8)))
    family = period
    while 2 * family <= 16 and length / (2 * family) >= 6:
        family *= 2
    mirrored = across in (0.0, 0.5)
    bins = np.arange(1, length // 2 + 1) if mirrored else np.arange(length)
    offset = bins - along * length
    if not mirrored:
        offset = (offset + length / 2) % length - length / 2
    comb = bins * family / length
    clear = np.abs(comb - np.round(comb)) * length / family >= 0.95
    far = 1.6 * reach * (2 if mirrored and along == 0.5 else 1)
    clear &= np.abs(offset) <= min(far, abs(along) * length - 0.5)
    near = bins[clear][np.argsort(np.abs(offset[clear]), kind="stable")]
    return [int(b) for b in near[: 2 * reach]]


@lru_cache(maxsize=128)
def plan(periods: tuple[int, ...], axis: int, length: int, channels: int) -> Plan:
    """Lay out the lines of one axis for signals of `length` samples; periods that don't fit are left out.

    A period fits when it repeats three times, and when three more bins than channels lie around its line.
    """
    which, bins = [], []
    for h in harmonics(periods):
        if h.axis != axis or 3 * h.period > length + 1:
            continue
        near = neighbours(h.along, h.across, h.period, length)
        if len(near) >= channels + 3:
            which.append(h)
            bins.append(near)
    width = max((len(b) for b in bins), default=1)
    across = tuple(sorted({h.across for h in which}))
    table = np.array([b + [0] * (width - len(b)) for b in bins], dtype=np.int64).reshape(len(bins), width)
    used = np.array([[k < len(b) for k in range(width)] for b in bins], dtype=bool).reshape(len(bins), width)
    along = np.array([h.along for h in which])
    waves = np.exp(-2j * np.pi * along[:, None] * np.arange(length))
    rows = np.array([across.index(h.across) for h in which], dtype=np.int64)
    return Plan(across, rows, waves.astype(np.complex64), table, used, tuple(which))


def chosen(strips: int, most: int | None) -> NDArray[np.int64]:
    """Choose `most` strips of `strips`, spread evenly; all of them for None.

    >>> chosen(10, 3), chosen(2, 5)
    (array([1, 5, 8]), array([0, 1]))
    """
    if most is None or strips <= most:
        return np.arange(strips)
    return ((np.arange(most) + 0.5) * strips / most).astype(np.int64)
