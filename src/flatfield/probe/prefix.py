"""Prefix: what a run has in common with the one before it, kept so that it is computed once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch

HEAVY = frozenset(("convolution", "mm", "bmm", "addmm", "baddbmm"))
MOST_BYTES = 1 << 28


@dataclass
class Prefix:
    """Results of the costly operators of a run in order, up to a quarter of a GiB.

    Copies: what stands behind may write into a result. `earlier` are those of the run before, used while both runs
    do the same: up to the flat field, and on until `alike` upsampling layers have drawn.
    """

    earlier: tuple[tuple[str, torch.Tensor], ...] = ()
    results: list[tuple[str, torch.Tensor]] = field(default_factory=list)
    held: int = 0
    alike: int = 0

    def write(self, operator: str, result: Any) -> None:
        """Keep the result of one operator; after the first that is too large none, for the order must stay."""
        if operator not in HEAVY or not isinstance(result, torch.Tensor):
            return
        self.held += result.numel() * result.element_size()
        if self.held <= MOST_BYTES:
            self.results.append((operator, result.detach().clone()))

    def take(self, operator: str) -> torch.Tensor | None:
        """Give what the run before had at this place; None where it was not kept."""
        place = len(self.results)
        if operator not in HEAVY or place >= len(self.earlier) or self.held > MOST_BYTES:
            return None
        kept, result = self.earlier[place]
        return result.clone() if kept == operator else None
