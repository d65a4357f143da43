"""The projection on flat weights as a PyTorch parametrisation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn


class FlatWeight(nn.Module):
    """Project a weight on the flat ones, differentiably: (rows, taps) times a symmetric (taps, taps).

    Idempotent, so assigning a flat weight gives it back. `phases` is empty for a transposed convolution's
    (in, out, *kernel) and the scale of a sub-pixel convolution's (out * prod(scale), in, *kernel).
    """

    projection: Tensor

    def __init__(self, projection: np.ndarray[Any, np.dtype[np.float64]], phases: Sequence[int] = ()) -> None:
        super().__init__()
        self.phases = tuple(phases)
        self.free = float(np.trace(projection))
        self.register_buffer("projection", torch.from_numpy(projection), persistent=False)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        # a module cast to bfloat16 keeps its projection exact: only the device follows
        exact = self.projection
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.projection = exact.to(self.projection.device)
        return self

    def forward(self, weight: Tensor) -> Tensor:
        """Give the flat weight nearest to `weight`."""
        double = weight.dtype == torch.float64
        kernels = self._kernels(weight if double else weight.float())
        projection = self.projection if double else self.projection.float()
        device = weight.device.type
        rows = kernels.reshape(-1, len(projection))
        if torch.is_autocast_enabled(device):  # would round what has just been made flat
            with torch.autocast(device, enabled=False):
                flat = rows @ projection
        else:
            flat = rows @ projection
        return self._weight(flat.view(kernels.shape), weight.shape).to(weight.dtype)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Take a weight as it is: the projection is applied when it is used."""
        return weight

    def _kernels(self, weight: Tensor) -> Tensor:
        """Order a sub-pixel weight as kernels, (out, in, phase 1, tap 1, phase 2, tap 2, ...)."""
        dims = len(self.phases)
        if dims == 0:
            return weight
        split = weight.unflatten(0, (-1, *self.phases))
        pairs = [axis for a in range(dims) for axis in (1 + a, 2 + dims + a)]
        kernels: Tensor = split.permute(0, 1 + dims, *pairs)
        return kernels

    def _weight(self, kernels: Tensor, shape: torch.Size) -> Tensor:
        """Undo `_kernels`."""
        dims = len(self.phases)
        if dims == 0:
            return kernels
        back = kernels.permute(0, *range(2, 2 + 2 * dims, 2), 1, *range(3, 3 + 2 * dims, 2))
        return back.reshape(shape)


class FlatBias(nn.Module):
    """Give all phases of a sub-pixel convolution's bias their mean."""

    def __init__(self, phases: int) -> None:
        super().__init__()
        self.phases = phases

    def forward(self, bias: Tensor) -> Tensor:
        """Average groups of `phases` numbers."""
        means: Tensor = bias.unflatten(0, (-1, self.phases)).mean(1)
        return means.repeat_interleave(self.phases)

    def right_inverse(self, bias: Tensor) -> Tensor:
        """Take a bias as it is."""
        return bias
