"""Phases: the statistics of a layer's phase gains, gathered a few rows of its weight at a time."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Phases:
    """What the phase gains of a layer add up to.

    `power` is `|G[f]|^2` of every phase, flattened; `gram` is the products `<D[f], D[g]>` of the deviations
    `D[f] = G[f] - mean G`. Both add over rows and columns of the weight, so a layer of any size is read in parts.
    """

    power: npt.NDArray[np.float64]
    gram: npt.NDArray[np.float64]

    @classmethod
    def gather(cls, blocks: Iterable[npt.NDArray[np.float64]]) -> Phases:
        """Add up blocks of gains, each (*phases, rows, columns).

        >>> blocks = [np.array([[[2.0]], [[1.0]]])]
        >>> Phases.gather(blocks).power
        array([4., 1.])
        """
        power: npt.NDArray[np.float64] | float = 0.0
        gram: npt.NDArray[np.float64] | float = 0.0
        with np.errstate(all="ignore"):  # weights that are not finite tell nothing, and say so by what they add up to
            for gains in blocks:
                phases = gains.reshape(math.prod(gains.shape[:-2]), -1)
                deviations = phases - phases.mean(axis=0)
                power = power + np.einsum("fi,fi->f", phases, phases)
                gram = gram + deviations @ deviations.T
        return cls(np.atleast_1d(np.asarray(power)), np.atleast_2d(np.asarray(gram)))

    @property
    def finite(self) -> bool:
        """False when a weight was infinite, or not a number."""
        return bool(np.isfinite(self.power).all() and np.isfinite(self.gram).all())

    @property
    def unevenness(self) -> float:
        """Give `rms |G[f] - mean G| / rms |G[f]|`, in [0, 1].

        >>> round(Phases.gather([np.array([[[2.0]], [[1.0]]])]).unevenness, 4)
        0.3162
        """
        total = float(self.power.sum())
        return min(1.0, math.sqrt(max(0.0, float(np.trace(self.gram))) / total)) if total > 0.0 else 0.0

    @property
    def levels(self) -> npt.NDArray[np.float64]:
        """Gain of every phase along the strongest grid the layer can draw, relative to the rms gain; 1 is flat.

        The strongest grid is the first principal component of the deviations over the phases.

        >>> Phases.gather([np.array([[[2.0]], [[1.0]]])]).levels.round(3)
        array([1.316, 0.684])
        """
        mean = math.sqrt(float(self.power.mean()))
        if mean == 0.0:
            return np.zeros(len(self.power))
        strengths, patterns = np.linalg.eigh(self.gram)
        pattern = patterns[:, -1] * math.sqrt(max(0.0, float(strengths[-1]))) / mean
        louder = float(pattern @ self.power)
        return np.asarray(1.0 + (pattern if louder >= 0.0 else -pattern), dtype=np.float64)
