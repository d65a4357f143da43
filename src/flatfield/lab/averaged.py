"""Averaged weights: an exponential moving average that evaluation uses in the place of the last step's."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn


class Averaged:
    """The moving average of one network's state.

    >>> network = nn.Linear(1, 1, bias=False)
    >>> with torch.no_grad():
    ...     _ = network.weight.fill_(0.0)
    >>> averaged = Averaged(network)
    >>> with torch.no_grad():
    ...     _ = network.weight.fill_(1.0)
    >>> averaged.update(network, decay=0.75)
    >>> averaged.network(network).weight.item()
    0.25
    """

    def __init__(self, network: nn.Module) -> None:
        self.state = {name: value.detach().clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module, decay: float) -> None:
        """Move by `1 - decay` of the way to the network's weights; whole numbers are copied."""
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                self.state[name].lerp_(value, 1.0 - decay)
            else:
                self.state[name].copy_(value)

    def network(self, like: nn.Module) -> nn.Module:
        """Give a copy of the network with averaged weights, in evaluation mode."""
        averaged = copy.deepcopy(like)
        averaged.load_state_dict(self.state)
        return averaged.eval()

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a saved average."""
        for name, value in state.items():
            self.state[name].copy_(value)
