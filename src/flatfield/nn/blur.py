"""Layers that go down in resolution and send flat gradients back: a blur before each step is skipped."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import ClassVar

import numpy as np
import torch.nn.functional as F
from torch import Tensor, nn

from flatfield.core.taps import per_axis
from flatfield.nn.resampling import PADDING_MODES
from flatfield.nn.ways.plain import CONVOLUTION, check_room, pad_high

POOL = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}


def blur_kernel(stride: int, order: int) -> tuple[float, ...]:
    """A box of `stride`, convolved with itself `order` times: the shortest flat kernel of that order, sum 1.

    For a stride of 2 these are the binomials of Zhang 2019: [1, 1], [1, 2, 1], [1, 3, 3, 1] ...

    >>> blur_kernel(2, 3)
    (0.125, 0.375, 0.375, 0.125)
    """
    if order < 1:
        raise ValueError(f"order {order} is not a flatness order: take 1 (a box), 2 (a triangle) or 3")
    box = np.full(stride, 1.0 / stride)
    return tuple(float(tap) for tap in reduce(np.convolve, [box] * order))


class BlurPool(nn.Module):
    """Blur and keep every stride-th sample; use `BlurPool1d`, `2d` or `3d`.

    Maps (batch, channels, *size) to (batch, channels, *ceil(size / stride)). The gradient of an output that
    is flat is flat away from borders, since the blur has a box of `stride` as a factor: its phase sums are
    equal. `order` boxes (3 at stride 2: Zhang's default [1, 3, 3, 1]) also keep what would alias small.
    Raises `ValueError` for an order below 1, an unknown padding mode and an image too small to reflect.
    Source: Zhang 2019, "Making Convolutional Networks Shift-Invariant Again".
    """

    dims: ClassVar[int]

    def __init__(self, stride: int | Sequence[int] = 2, order: int = 3, padding_mode: str = "reflect") -> None:
        super().__init__()
        self.stride = per_axis(stride, self.dims, "stride")
        if padding_mode not in PADDING_MODES:
            raise ValueError(f"padding_mode {padding_mode!r} is unknown: take one of {', '.join(PADDING_MODES)}")
        self.order, self.padding_mode = order, padding_mode
        self.kernels = tuple(blur_kernel(s, order) for s in self.stride)

    def forward(self, x: Tensor) -> Tensor:
        """Blur `x` and keep every stride-th sample."""
        return blur(x, self.kernels, self.stride, self.padding_mode)

    def extra_repr(self) -> str:
        """Say the settings, as PyTorch's layers do."""
        return f"stride={self.stride}, order={self.order}, padding_mode={self.padding_mode!r}"


def blur(x: Tensor, kernels: Sequence[Sequence[float]], stride: Sequence[int], padding_mode: str) -> Tensor:
    """Convolve every channel with the product of `kernels`, padded to keep the size, at `stride`."""
    dims, channels = len(kernels), x.shape[1]
    pairs = tuple(((len(k) - 1) // 2, len(k) // 2) for k in kernels)
    check_room(x.shape[2:], pairs, padding_mode, "a")
    kernel = x.new_tensor(kernels[0])
    for other in kernels[1:]:
        kernel = kernel.unsqueeze(-1) * x.new_tensor(other)
    weight = kernel.expand(channels, 1, *kernel.shape)
    return CONVOLUTION[dims](pad_high(x, pairs, padding_mode), weight, stride=list(stride), groups=channels)


class BlurPool1d(BlurPool):
    """`BlurPool` for (batch, channels, length).

    >>> import torch
    >>> BlurPool1d()(torch.tensor([[[0.0, 0.0, 8.0, 0.0]]]))
    tensor([[[1., 4.]]])
    """

    dims = 1


class BlurPool2d(BlurPool):
    """`BlurPool` for (batch, channels, height, width).

    >>> import torch
    >>> BlurPool2d()(torch.ones(1, 2, 5, 6)).shape
    torch.Size([1, 2, 3, 3])
    """

    dims = 2


class BlurPool3d(BlurPool):
    """`BlurPool` for (batch, channels, depth, height, width).

    >>> import torch
    >>> BlurPool3d()(torch.ones(1, 2, 4, 5, 6)).shape
    torch.Size([1, 2, 2, 3, 3])
    """

    dims = 3


class MaxBlurPool(BlurPool):
    """Max pooling at stride 1, then `BlurPool`; use `MaxBlurPool1d`, `2d` or `3d`.

    What `MaxPool(kernel_size, stride)` becomes: maxima everywhere, then blurred and thinned out. The
    gradient of max pooling itself goes to single samples; what the blur sends it is flat (Zhang 2019).
    """

    def __init__(
        self,
        kernel_size: int | Sequence[int] = 2,
        stride: int | Sequence[int] = 2,
        padding: int | Sequence[int] = 0,
        order: int = 3,
        padding_mode: str = "reflect",
    ) -> None:
        super().__init__(stride, order, padding_mode)
        self.kernel_size = per_axis(kernel_size, self.dims, "kernel_size")
        self.padding = per_axis(padding, self.dims, "padding", least=0)

    def forward(self, x: Tensor) -> Tensor:
        """Take maxima at every place, blur, and keep every stride-th."""
        return super().forward(POOL[self.dims](x, self.kernel_size, stride=1, padding=self.padding))

    def extra_repr(self) -> str:
        """Say the settings, as PyTorch's layers do."""
        return f"kernel_size={self.kernel_size}, padding={self.padding}, {super().extra_repr()}"


class MaxBlurPool1d(MaxBlurPool):
    """`MaxBlurPool` for (batch, channels, length).

    >>> import torch
    >>> MaxBlurPool1d()(torch.ones(1, 2, 9)).shape
    torch.Size([1, 2, 4])
    """

    dims = 1


class MaxBlurPool2d(MaxBlurPool):
    """`MaxBlurPool` for (batch, channels, height, width).

    >>> import torch
    >>> MaxBlurPool2d(3, padding=1)(torch.ones(1, 2, 8, 8)).shape
    torch.Size([1, 2, 4, 4])
    """

    dims = 2


class MaxBlurPool3d(MaxBlurPool):
    """`MaxBlurPool` for (batch, channels, depth, height, width).

    >>> import torch
    >>> MaxBlurPool3d(order=1)(torch.ones(1, 2, 5, 5, 5)).shape
    torch.Size([1, 2, 2, 2, 2])
    """

    dims = 3
