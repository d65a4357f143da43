"""Running statistics of batch normalisation, for networks that were never trained."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def settle_statistics(module: nn.Module, draw: Callable[[], Tensor], batches: int = 4) -> None:
    """Set every batch normalisation's running mean and variance to the average over `batches` drawn inputs.

    Until then they are 0 and 1 whatever the weights are, and in evaluation mode the signal dies (or grows)
    from layer to layer. Leaves the module in evaluation mode.

    >>> norm = nn.BatchNorm1d(1)
    >>> settle_statistics(norm, lambda: torch.tensor([[4.0], [6.0]]))
    >>> norm.running_mean.item(), norm.running_var.item(), norm.training
    (5.0, 2.0, False)
    """
    norms = [m for m in module.modules() if isinstance(m, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # PyTorch's word for a plain average over the batches
    module.train()
    with torch.no_grad():
        for _ in range(batches):
            module(draw())
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    module.eval()
