"""Sub-pixel convolution: a convolution to all phases and a pixel shuffle, started flat."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flatfield.core.taps import per_axis
from flatfield.nn.icnr import icnr_
from flatfield.nn.resampling import PADDING_MODES, pad_pairs
from flatfield.nn.ways.phases import shuffle
from flatfield.nn.ways.plain import CONVOLUTION, check_room, pad_high


class SubPixelConv(nn.Module):
    """Convolve at low resolution and shuffle pixels; use `SubPixelConv1d`, `2d` or `3d`.

    Maps (batch, in, *size) to (batch, out, *(scale * size)). `weight` is (out * prod(scale), in / groups,
    *kernel), PyTorch's channel order. ICNR by default, weight and bias: it starts flat, and training may
    leave that (`flatten_weights` holds it). `blur` averages boxes of `scale` behind the shuffle, which
    takes out every grid of period `scale` whatever the weights are, at the price of sharpness.
    Raises `ValueError` for settings that don't fit. Sources: Shi et al. 2016 (the layer), Aitken et al.
    2017 (ICNR), Sugawara, Shiota & Kiya 2018 (the box behind it).
    """

    dims: ClassVar[int]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        scale_factor: int | Sequence[int] = 2,
        padding: str | int | Sequence[int] = "same",
        padding_mode: str = "zeros",
        groups: int = 1,
        bias: bool = True,
        *,
        icnr: bool = True,
        blur: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = per_axis(kernel_size, self.dims, "kernel_size")
        self.scale = per_axis(scale_factor, self.dims, "scale_factor")
        if padding_mode not in PADDING_MODES:
            raise ValueError(f"padding_mode {padding_mode!r} is unknown: take one of {', '.join(PADDING_MODES)}")
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ValueError(f"groups={groups} must divide in_channels {in_channels} and out_channels {out_channels}")
        self.padding, self.padding_mode = pad_pairs(padding, self.kernel_size), padding_mode
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.icnr, self.blur = icnr, blur
        count = out_channels * math.prod(self.scale)
        shape = (count, in_channels // groups, *self.kernel_size)
        self.weight = nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
        if bias:
            self.bias: nn.Parameter | None = nn.Parameter(torch.empty(count, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new parameters as PyTorch's convolutions do; with ICNR, one kernel for all phases."""
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None and self.weight[0].numel():
            bound = 1 / math.sqrt(self.weight[0].numel())
            nn.init.uniform_(self.bias, -bound, bound)
        if self.icnr:
            icnr_(self.weight, self.scale, bias=self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, in, *size) to (batch, out, *(scale * size))."""
        convolve = CONVOLUTION[self.dims]
        if self.padding_mode == "zeros" and all(before == after for before, after in self.padding):
            pads = [before for before, _ in self.padding]
            y = convolve(x, self.weight, self.bias, padding=pads, groups=self.groups)
        else:
            check_room(x.shape[2:], self.padding, self.padding_mode, "a")
            padded = pad_high(x, self.padding, self.padding_mode)
            y = convolve(padded, self.weight, self.bias, groups=self.groups)
        y = shuffle(y, self.scale)
        return self._average(y) if self.blur else y

    def _average(self, y: Tensor) -> Tensor:
        """Average boxes of `scale`, the first samples of an axis repeated so that the size stays."""
        pads = [number for s in reversed(self.scale) for number in (s - 1, 0)]
        pool = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}[self.dims]
        # pooling is no operator that autocast lowers: keep what the convolution gave
        return pool(F.pad(y, pads, mode="replicate"), self.scale, stride=1).to(y.dtype)

    def extra_repr(self) -> str:
        """Say the settings, as PyTorch's layers do."""
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, scale_factor={self.scale}"
            + (f", groups={self.groups}" if self.groups != 1 else "")
            + (", bias=False" if self.bias is None else "")
            + (", blur=True" if self.blur else "")
        )


class SubPixelConv1d(SubPixelConv):
    """`SubPixelConv` for (batch, in, length).

    >>> SubPixelConv1d(4, 2, 3, scale_factor=4)(torch.zeros(1, 4, 8)).shape
    torch.Size([1, 2, 32])
    """

    dims = 1


class SubPixelConv2d(SubPixelConv):
    """`SubPixelConv` for (batch, in, height, width).

    >>> y = SubPixelConv2d(4, 1, 3, padding_mode="circular")(torch.ones(1, 4, 8, 8))
    >>> tuple(y.shape), bool(y.std() < 1e-6)
    ((1, 1, 16, 16), True)
    """

    dims = 2


class SubPixelConv3d(SubPixelConv):
    """`SubPixelConv` for (batch, in, depth, height, width).

    >>> SubPixelConv3d(4, 2, 3)(torch.zeros(1, 4, 2, 3, 4)).shape
    torch.Size([1, 2, 4, 6, 8])
    """

    dims = 3
