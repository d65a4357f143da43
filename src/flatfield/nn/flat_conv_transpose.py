"""Transposed convolutions whose weights are flat, from the first step of training to the last."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from flatfield.core.flat import Where
from flatfield.nn.flat_weight import FlatWeight
from flatfield.nn.flatten import flatten_weights


class FlatConvTranspose(nn.Module):
    """A transposed convolution confined to flat weights; use `FlatConvTranspose1d`, `2d` or `3d`.

    Takes what PyTorch's takes, and `order` (1: a flat input gives a flat output; 2: a ramp a ramp too) and
    `at` ("points", or "lines": also inputs that are constant along one axis only, which makes it the folded
    nearest resize-convolution). Initialised as PyTorch's, projected, and scaled by sqrt(taps / free taps),
    which gives the output of white input the variance that it had. Raises `ValueError` where only zero
    would be flat. Source: the design, section 3; Sugawara, Shiota & Kiya 2018.
    """

    def __init__(self, *args: Any, order: int = 1, at: Where = "points", **options: Any) -> None:
        super().__init__(*args, **options)
        self.order, self.at = order, at
        flatten_weights(self, order, at=at)
        free = next(link.free for link in self.modules() if isinstance(link, FlatWeight))
        with torch.no_grad():
            taps = math.prod(self.kernel_size)  # type: ignore[arg-type]
            self.parametrizations["weight"].original.mul_(math.sqrt(taps / free))  # type: ignore[index,union-attr]

    def extra_repr(self) -> str:
        """Say the settings, as PyTorch's layers do."""
        return f"{super().extra_repr()}, order={self.order}, at={self.at!r}"


class FlatConvTranspose1d(FlatConvTranspose, nn.ConvTranspose1d):
    """`FlatConvTranspose` for (batch, in, length).

    >>> layer = FlatConvTranspose1d(1, 1, 3, stride=2, bias=False)
    >>> y = layer(torch.ones(1, 1, 6))[0, 0, 2:-2]
    >>> bool((y - y.mean()).abs().max() < 1e-6)
    True
    """


class FlatConvTranspose2d(FlatConvTranspose, nn.ConvTranspose2d):
    """`FlatConvTranspose` for (batch, in, height, width).

    >>> FlatConvTranspose2d(4, 2, 4, stride=2, padding=1)(torch.zeros(1, 4, 8, 8)).shape
    torch.Size([1, 2, 16, 16])
    """


class FlatConvTranspose3d(FlatConvTranspose, nn.ConvTranspose3d):
    """`FlatConvTranspose` for (batch, in, depth, height, width).

    >>> FlatConvTranspose3d(2, 2, 3, stride=2)(torch.zeros(1, 2, 2, 3, 4)).shape
    torch.Size([1, 2, 5, 7, 9])
    """
