"""Where to look in a spectrum: the line of every harmonic, and the bins around it that can vouch for it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from flatfield.measure.harmonics import Harmonic, harmonics

REACH = (6, 14)  # fewest and most bins looked at on either side of a line


@dataclass(frozen=True)
class Ridge:
    """The T lines that share one wave across the axis, and the F bins of its spectrum that vouch for them.

    `lines` (T,): which lines of the plan; `table` (length, 2 T): their cosines and minus sines; `bins` (F,): those in
    use, sorted; `vouch` (T, F): 1 for a line's own; `places` (T, K): where in `bins` these are, 0 beyond their number.
    """

    across: float
    lines: NDArray[np.int64]
    table: NDArray[np.float32]
    bins: NDArray[np.int64]
    vouch: NDArray[np.float32]
    places: NDArray[np.int64]


@dataclass(frozen=True)
class Plan:
    """Where to look in a signal of `length` samples: the lines of one axis and, wave by wave across, their bins.

    `used` (T, K) marks which of the K places of a line hold a bin, `count` (T,) how many do; `sines` (T,) are
    |sin pi f|; `real` (T,) marks lines at which a real signal's spectrum is real, `turning` (T,) those on which JPEG's
    rounding by turns puts something.
    """

    which: tuple[Harmonic, ...]
    ridges: tuple[Ridge, ...]
    used: NDArray[np.bool_]
    count: NDArray[np.int64]
    sines: NDArray[np.float64]
    real: NDArray[np.bool_]
    turning: NDArray[np.bool_]


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
    count = np.array([len(b) for b in bins], dtype=np.int64)
    used = np.arange(count.max(initial=1)) < count[:, None]
    along = np.array([h.along for h in which])
    across = np.array([h.across for h in which])
    ridges = tuple(ridge(f, np.flatnonzero(across == f), along, bins, used, length) for f in np.unique(across).tolist())
    real = (along == 0.5) & np.isin(across, (0.0, 0.5))
    turning = np.array([h.period == 2 or (h.period == 4 and axis == -1 and h.across == 0.0) for h in which], dtype=bool)
    return Plan(tuple(which), ridges, used, count, np.abs(np.sin(np.pi * along)), real, turning)


def ridge(
    across: float,
    lines: NDArray[np.int64],
    along: NDArray[np.float64],
    bins: list[list[int]],
    used: NDArray[np.bool_],
    length: int,
) -> Ridge:
    """Lay out the lines of one wave across; `along` and `bins` are those of all lines."""
    own = np.unique(np.concatenate([bins[t] for t in lines]))
    vouch = np.array([np.isin(own, bins[t]) for t in lines], dtype=np.float32)
    places = np.zeros((len(lines), used.shape[1]), dtype=np.int64)
    places[used[lines]] = np.searchsorted(own, np.concatenate([bins[t] for t in lines]))
    wave = np.exp(-2j * np.pi * np.arange(length)[:, None] * along[lines])
    table = np.concatenate([wave.real, wave.imag], axis=1).astype(np.float32)
    return Ridge(across, lines, table, own, vouch, places)


def chosen(strips: int, most: int | None) -> NDArray[np.int64]:
    """Choose `most` strips of `strips`, spread evenly; all of them for None.

    >>> chosen(10, 3), chosen(2, 5)
    (array([1, 5, 8]), array([0, 1]))
    """
    if most is None or strips <= most:
        return np.arange(strips)
    return ((np.arange(most) + 0.5) * strips / most).astype(np.int64)
