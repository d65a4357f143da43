"""Normal equations of the least-squares fit of a correction, group by group, so that groups can be held out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flatfield.cure.colours import Real, count_terms

GROUPS = 16
"""Examples, or bands of large ones, are summed up in so many groups: what is held out in turn."""
Sample = tuple[Real, Real]
"""Terms and residuals, (phases, groups, rows, tiles)."""


@dataclass(frozen=True)
class Normal:
    """Normal equations by group: terms times terms (E, phases, groups, terms, terms), terms times residuals.

    Residuals are outputs less their local means. One sample a phase and group on average weighs 1.
    """

    gram: Real
    moment: Real

    def within(self, width: int) -> Normal:
        """Keep the first terms: those of a lower degree."""
        return Normal(self.gram[..., :width, :width], self.moment[..., :width, :])


class Summing:
    """Normal equations as samples come in."""

    def __init__(self, phases: int, groups: int, members: int, degree: int) -> None:
        width = count_terms(members, degree)
        self.gram = np.zeros((GROUPS, phases, groups, width, width))
        self.moment = np.zeros((GROUPS, phases, groups, width, members))
        self.most = 0

    def add(self, sample: Sample, place: int) -> None:
        """Add to one group, counted round."""
        found, residual = sample
        self.gram[place % GROUPS] += found @ found.swapaxes(-1, -2)
        self.moment[place % GROUPS] += found @ residual.swapaxes(-1, -2)
        self.most = max(self.most, place % GROUPS + 1)

    def add_bands(self, sample: Sample, start: int, bands: int) -> None:
        """Add to as many groups as there are bands, one behind the other."""
        found, residual = sample
        tiles = found.shape[-1]
        for band in range(min(bands, tiles)):
            cut = slice(tiles * band // bands, tiles * (band + 1) // bands)
            self.add((found[..., cut], residual[..., cut]), start * bands + band)

    def normal(self) -> Normal:
        """The sums, so scaled that one sample a phase and group on average weighs 1."""
        weight = self.gram[..., 0, 0].sum() / (self.most * self.gram.shape[1] * self.gram.shape[2])
        return Normal(self.gram[: self.most] / weight, self.moment[: self.most] / weight)
