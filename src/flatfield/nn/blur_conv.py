"""Strided convolutions with a blur in front, for flat gradients."""

from __future__ import annotations

from typing import Any, cast

from torch import Tensor, nn

from flatfield.nn.blur import blur, blur_kernel


class BlurConv(nn.Module):
    """Blur, then convolve with a stride; use `BlurConv1d`, `2d` or `3d`.

    Takes what PyTorch's convolution takes, and `order`, the boxes of `stride` in the blur. The gradient of
    a strided convolution is a transposed one; the blur's box of `stride` takes every grid of that period out
    of it, whatever the weights are. The blur reflects at borders. Parameters are the convolution's, so
    state dicts load both ways. Raises `ValueError` for an order below 1. Source: Zhang 2019.
    """

    def __init__(self, *args: Any, order: int = 2, **options: Any) -> None:
        super().__init__(*args, **options)
        self.order = order
        self.kernels = tuple(blur_kernel(s, order) for s in cast(tuple[int, ...], self.stride))

    def forward(self, x: Tensor) -> Tensor:
        """Blur at stride 1, then convolve."""
        y: Tensor = super().forward(blur(x, self.kernels, (1,) * len(self.kernels), "reflect"))
        return y

    def extra_repr(self) -> str:
        """Say the settings, as PyTorch's layers do."""
        return f"{super().extra_repr()}, order={self.order}"


class BlurConv1d(BlurConv, nn.Conv1d):
    """`BlurConv` for (batch, in, length).

    >>> import torch
    >>> BlurConv1d(4, 2, 3, stride=2, padding=1)(torch.zeros(1, 4, 8)).shape
    torch.Size([1, 2, 4])
    """


class BlurConv2d(BlurConv, nn.Conv2d):
    """`BlurConv` for (batch, in, height, width).

    >>> import torch
    >>> BlurConv2d(4, 2, 3, stride=2, padding=1)(torch.zeros(1, 4, 8, 6)).shape
    torch.Size([1, 2, 4, 3])
    """


class BlurConv3d(BlurConv, nn.Conv3d):
    """`BlurConv` for (batch, in, depth, height, width).

    >>> import torch
    >>> BlurConv3d(4, 2, 3, stride=2, padding=1)(torch.zeros(1, 4, 4, 4, 4)).shape
    torch.Size([1, 2, 2, 2, 2])
    """
