"""Random numbers of one training step: the same however many processes share the step."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor


def seed_of(*parts: object) -> int:
    """Make one 63-bit seed of several numbers and names; near parts give unrelated seeds.

    >>> seed_of(0, "step", 1) != seed_of(0, "step", 2)
    True
    """
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator_of(*parts: object) -> torch.Generator:
    """Give a CPU generator that starts at `seed_of(*parts)`.

    >>> a, b = (torch.rand(1, generator=generator_of(7, "a")) for _ in range(2))
    >>> bool(a == b)
    True
    """
    return torch.Generator().manual_seed(seed_of(*parts))


@dataclass(frozen=True)
class Draw:
    """What process `rank` of `world` draws in one step: everybody draws the whole batch and keeps its own rows.

    A step depends on (seed, step) alone, never on what was drawn before: a run that goes on after a kill draws what
    the uninterrupted one drew, and two processes draw together what one would.
    """

    generator: torch.Generator
    batch: int
    rank: int = 0
    world: int = 1

    def mine(self, whole: Tensor) -> Tensor:
        """Keep this process's rows of a whole batch.

        >>> Draw(torch.Generator(), 4, rank=1, world=2).mine(torch.arange(4)).tolist()
        [1, 3]
        """
        return whole[self.rank :: self.world]

    def normal(self, *shape: int) -> Tensor:
        """Draw standard normal numbers, (rows of this process, *shape)."""
        return self.mine(torch.randn(self.batch, *shape, generator=self.generator))

    def integers(self, high: int, *shape: int) -> Tensor:
        """Draw whole numbers from 0 to high - 1, (rows of this process, *shape)."""
        return self.mine(torch.randint(high, (self.batch, *shape), generator=self.generator))
