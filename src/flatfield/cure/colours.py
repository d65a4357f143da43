"""Colours: local means as coordinates, and the polynomials of them that the grid of an output is a function of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Real = npt.NDArray[np.float64]
JOINT = 4
"""Up to so many channels are looked at together; more, each by itself."""
QUANTILE = 0.001


@dataclass(frozen=True)
class Colours:
    """The colours that were seen: `matrix` (groups, members, members) turns a local mean less `centre` (channels,) into
    coordinates, uncorrelated and of variance 1 in what was seen; `low` and `high` (groups, members) bound them.

    Colours beyond the bounds are treated as the nearest one inside. Groups: one of all channels, or one for each where
    there are many.
    """

    centre: Real
    matrix: Real
    low: Real
    high: Real

    @classmethod
    def of(cls, means: Sequence[Real]) -> Colours:
        """Learn from local means, each (n, channels, *space).

        >>> seen = Colours.of([np.array([[[1.0, 3.0, 1.0, 3.0]]])])
        >>> seen.centre.tolist(), seen.coordinates(np.array([[[4.0]]])).round(3).item()
        ([2.0], 2.0)
        """
        channels = means[0].shape[1]
        samples = grouped(means, 1 if channels <= JOINT else channels)
        centre = samples.mean(-1)
        away = samples - centre[..., None]
        power, axes = np.linalg.eigh(away @ away.swapaxes(-1, -2) / samples.shape[-1])
        floor = 1e-6 * power.max(axis=-1, keepdims=True) + 1e-30
        matrix = axes.swapaxes(-1, -2) / np.sqrt(power + floor)[..., None]
        # nearly the least and the largest coordinates: a single odd pixel must not decide
        low, high = np.quantile(matrix @ away, [QUANTILE, 1 - QUANTILE], axis=-1)
        return cls(centre.ravel(), matrix, low, high)

    def including(self, means: Real) -> Colours:
        """Widen the bounds by local means (n, channels, *space), all of them."""
        at = self.coordinates(means)
        every = (0, *range(3, at.ndim))
        return replace(self, low=np.minimum(self.low, at.min(every)), high=np.maximum(self.high, at.max(every)))

    @property
    def groups(self) -> int:
        """How many groups of channels are looked at for themselves."""
        return len(self.matrix)

    @property
    def members(self) -> int:
        """Channels of a group."""
        return int(self.matrix.shape[1])

    def coordinates(self, means: Real) -> Real:
        """Compute the coordinates (n, groups, members, *space) of local means (n, channels, *space)."""
        away = means - self.centre.reshape(-1, *(1,) * (means.ndim - 2))
        by_group = away.reshape(len(means), self.groups, self.members, *means.shape[2:])
        return np.asarray(np.einsum("gij,ngj...->ngi...", self.matrix, by_group))

    def terms(self, means: Real, degree: int) -> Real:
        """Compute 1, the bounded coordinates and their products, (n, groups, terms, *space), from local means."""
        at = self.coordinates(means)
        lifted = (self.groups, self.members, *(1,) * (at.ndim - 3))
        at = np.clip(at, self.low.reshape(lifted), self.high.reshape(lifted))
        parts = [np.ones_like(at[:, :, :1])]
        if degree > 0:
            parts.append(at)
        if degree > 1:
            parts += [at[:, :, i : i + 1] * at[:, :, j : j + 1] for i, j in pairs(self.members)]
        return np.concatenate(parts, axis=2)


def grouped(batches: Sequence[Real], groups: int) -> Real:
    """Line up all samples of all batches (n, channels, *space) as (groups, members, samples).

    >>> grouped([np.arange(6.0).reshape(1, 2, 3)], 2).tolist()
    [[[0.0, 1.0, 2.0]], [[3.0, 4.0, 5.0]]]
    """
    flat = [np.moveaxis(b.reshape(*b.shape[:2], -1), 1, 0).reshape(b.shape[1], -1) for b in batches]
    whole = np.concatenate(flat, axis=1)
    return whole.reshape(groups, -1, whole.shape[1])


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
