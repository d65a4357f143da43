"""A nearest resize-convolution with the output sizes of a transposed convolution: what `resize` puts in its place."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flatfield.core.taps import Ints
from flatfield.cure.least_squares import Geometry
from flatfield.nn.functional import resize_conv
from flatfield.nn.resampling import Padding, pad_pairs
from flatfield.nn.ways.plain import CONVOLUTION


class SizedResizeConv(nn.Module):
    """Repeat pixels by the stride, pad and convolve: (batch, in, *size) to the sizes of a transposed convolution.

    `weight` (out, in / groups, *kernel) and `bias` are a convolution's. Takes `output_size` when it is called, as the
    transposed convolution does. Computed by `flatfield.nn.functional.resize_conv` where its paddings allow.
    """

    bias: nn.Parameter | None

    def __init__(self, geometry: Geometry, weight: Tensor, bias: nn.Parameter | None) -> None:
        super().__init__()
        self.geometry = geometry
        self.weight = nn.Parameter(weight)
        self.register_parameter("bias", bias)

    def forward(self, x: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """Resize and convolve; `output_size` (the last axes count) settles what the stride leaves open."""
        geometry = self.geometry
        extra = geometry.output_padding if output_size is None else self._extra(x, output_size)
        pads = geometry.pads(extra)
        padding = _spelled(pads, geometry.kernel)
        if padding is not None:
            return resize_conv(x, self.weight, self.bias, geometry.stride, padding=padding, groups=geometry.groups)
        size = [n * s for n, s in zip(x.shape[2:], geometry.stride, strict=True)]
        sides = [side for pair in reversed(pads) for side in pair]
        large = F.pad(F.interpolate(x, size=size), sides)
        return CONVOLUTION[len(size)](large, self.weight, self.bias, groups=geometry.groups)

    def _extra(self, x: Tensor, output_size: Sequence[int]) -> Ints:
        """Output padding that gives a size; `ValueError` for one that the stride can't give."""
        dims = len(self.geometry.stride)
        least = self.geometry.output_size(tuple(x.shape[2:]), (0,) * dims)
        extra = tuple(int(n) - m for n, m in zip(output_size[-dims:], least, strict=True))
        if any(not 0 <= e < s for e, s in zip(extra, self.geometry.stride, strict=True)):
            raise ValueError(f"output_size {tuple(output_size)} can't be had of {tuple(x.shape)}: least is {least}")
        return extra

    def extra_repr(self) -> str:
        """Say the settings, as PyTorch's layers do."""
        outputs, inputs = self.weight.shape[0], self.weight.shape[1] * self.geometry.groups
        g = self.geometry
        return f"{inputs}, {outputs}, kernel_size={g.kernel}, scale={g.stride}, pads={g.pads(g.output_padding)}"


def _spelled(pads: tuple[tuple[int, int], ...], kernel: Ints) -> Padding | None:
    """Pads as `resize_conv` spells them; None where it can't."""
    if pads == pad_pairs("same", kernel):
        return "same"
    if all(before == after and 0 <= before < k for (before, after), k in zip(pads, kernel, strict=True)):
        return tuple(before for before, _ in pads)
    return None


def conv_weight(fitted: Tensor, groups: int) -> Tensor:
    """Turn (in, out / groups, *kernel) of a transposed convolution into (out, in / groups, *kernel) of a convolution.

    A transposed convolution lays its kernel down as it is, a convolution reads it backwards: every axis is flipped.

    >>> conv_weight(torch.arange(6.0).view(2, 1, 3), 1).tolist()
    [[[2.0, 1.0, 0.0], [5.0, 4.0, 3.0]]]
    """
    split = fitted.unflatten(0, (groups, -1)).transpose(1, 2).flatten(0, 1)
    return torch.flip(split, tuple(range(2, split.dim()))).contiguous()
