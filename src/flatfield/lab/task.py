"""Task: what is trained, apart from how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn

from flatfield.lab.draw import Draw

Networks = Mapping[str, nn.Module]


@dataclass(frozen=True)
class Part:
    """One loss and the network that goes down it: a GAN has two, most tasks one.

    `network` names the network whose weights follow; `rate` multiplies the recipe's learning rate.
    """

    name: str
    network: str
    rate: float = 1.0


class Task(Protocol):
    """Networks and the losses that train them; the parts take turns in every step."""

    @property
    def parts(self) -> tuple[Part, ...]:
        """Who is trained on what, in the order of a step."""

    def networks(self) -> dict[str, nn.Module]:
        """Build the networks; the caller has seeded PyTorch's random state."""

    def loss(self, part: str, networks: Networks, draw: Draw) -> Tensor:
        """Give the loss of one part on this process's share of a freshly drawn batch, as a mean over its rows."""
