"""Resize-convolution as a layer: what to put in the place of a transposed convolution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from flatfield.core.taps import per_axis
from flatfield.nn.functional import resize_conv
from flatfield.nn.kept import Kept
from flatfield.nn.resampling import Padding, Scale, resampling


class ResizeConv(nn.Module):
    """Interpolate, pad and convolve in any number of dimensions; use `ResizeConv1d`, `2d` or `3d`.

    Computes `conv(pad(interpolate(x)))` exactly, borders included, without the upsampled image: (batch,
    in, *size) to (batch, out, *(scale * size)) with the default padding. Flat with nearest by construction,
    whatever the weights become (Odena, Dumoulin & Olah 2016). `weight` (out, in / groups, *kernel) and
    `bias` are those of the convolution: state dicts load both ways. In eval mode folded weights are kept
    until the weight changes; a write through `weight.data` is not seen before the next `eval()`. What can't
    be folded (align_corners=True, scales that are not whole) is computed plainly. Raises `ValueError` for
    settings that don't fit, naming them.
    """

    dims: ClassVar[int]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        scale_factor: Scale = 2,
        mode: str = "nearest",
        padding: Padding = "same",
        padding_mode: str = "zeros",
        groups: int = 1,
        bias: bool = True,
        *,
        align_corners: bool | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = per_axis(kernel_size, self.dims, "kernel_size")
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ValueError(f"groups={groups} must divide in_channels {in_channels} and out_channels {out_channels}")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.scale_factor, self.mode, self.align_corners = scale_factor, mode, align_corners
        self.padding, self.padding_mode = padding, padding_mode
        resampling(
            self.kernel_size,
            scale_factor=scale_factor,
            mode=mode,
            padding=padding,
            padding_mode=padding_mode,
            groups=groups,
            align_corners=align_corners,
        )  # raises for settings that don't fit
        shape = (out_channels, in_channels // groups, *self.kernel_size)
        self.weight = nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
        if bias:
            self.bias: nn.Parameter | None = nn.Parameter(torch.empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self._kept = Kept()
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new parameters as PyTorch's convolutions do."""
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None and self.weight[0].numel():
            bound = 1 / math.sqrt(self.weight[0].numel())
            nn.init.uniform_(self.bias, -bound, bound)

    @classmethod
    def from_pair(cls, upsample: nn.Upsample, conv: nn.Module) -> Self:
        """Take the place of an upsampling and the convolution behind it, with the convolution's parameters.

        The parameters are shared, not copied. Raises `ValueError` for an upsampling to a fixed size and
        for a convolution with a stride, a dilation or another number of dimensions.

        >>> layer = ResizeConv2d.from_pair(nn.Upsample(scale_factor=2), nn.Conv2d(4, 3, 3, padding=1))
        >>> tuple(layer(torch.zeros(1, 4, 5, 5)).shape)
        (1, 3, 10, 10)
        """
        if not isinstance(conv, nn.Conv1d | nn.Conv2d | nn.Conv3d) or len(conv.kernel_size) != cls.dims:
            raise ValueError(f"{type(conv).__name__} is not an nn.Conv{cls.dims}d: {cls.__name__} takes its place only")
        if upsample.scale_factor is None:
            raise ValueError(f"upsampling to the size {upsample.size} has no scale: give it a scale_factor")
        if any(n != 1 for n in (*conv.stride, *conv.dilation)):
            raise ValueError(f"stride {conv.stride} and dilation {conv.dilation} must be 1 to be folded")
        padding = conv.padding if isinstance(conv.padding, str) else tuple(conv.padding)
        layer = cls(
            conv.in_channels,
            conv.out_channels,
            tuple(conv.kernel_size),
            upsample.scale_factor,
            upsample.mode,
            padding,
            conv.padding_mode,
            conv.groups,
            conv.bias is not None,
            align_corners=upsample.align_corners,
            device="meta",
        )
        layer.register_parameter("weight", conv.get_parameter("weight"))
        layer.register_parameter("bias", None if conv.bias is None else conv.get_parameter("bias"))
        return layer.train(conv.training)

    def train(self, mode: bool = True) -> Self:
        """Set training mode, and forget folded weights."""
        self._kept.clear()
        return super().train(mode)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, in, *size) to (batch, out, *(scale * size))."""
        kept = None if self.training else self._kept
        return resize_conv(
            x,
            self.weight,
            self.bias,
            self.scale_factor,
            self.mode,
            self.padding,
            self.padding_mode,
            self.groups,
            align_corners=self.align_corners,
            kept=kept,
        )

    def extra_repr(self) -> str:
        """Say what differs from the defaults, as PyTorch's convolutions do."""
        text = (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"scale_factor={self.scale_factor}, mode={self.mode!r}, padding={self.padding!r}"
        )
        for name, default in (("padding_mode", "zeros"), ("groups", 1), ("align_corners", None)):
            if getattr(self, name) != default:
                text += f", {name}={getattr(self, name)!r}"
        return text if self.bias is not None else text + ", bias=False"


class ResizeConv1d(ResizeConv):
    """`ResizeConv` for (batch, in, length).

    >>> ResizeConv1d(4, 2, 3)(torch.zeros(1, 4, 8)).shape
    torch.Size([1, 2, 16])
    """

    dims = 1


class ResizeConv2d(ResizeConv):
    """`ResizeConv` for (batch, in, height, width).

    >>> ResizeConv2d(4, 2, 3, mode="bilinear", padding_mode="reflect")(torch.zeros(1, 4, 8, 6)).shape
    torch.Size([1, 2, 16, 12])
    """

    dims = 2


class ResizeConv3d(ResizeConv):
    """`ResizeConv` for (batch, in, depth, height, width).

    >>> ResizeConv3d(4, 2, 3, scale_factor=(1, 2, 2))(torch.zeros(1, 4, 3, 4, 5)).shape
    torch.Size([1, 2, 3, 8, 10])
    """

    dims = 3
