"""What happens beyond the border: inputs to add on the low resolution, strips of output to do plainly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from flatfield.nn.resampling import Pairs, Resampling
from flatfield.nn.ways.plain import CONVOLUTION, interpolate, pad_high
from flatfield.nn.ways.smoothing import smoothing_kernel
from flatfield.nn.ways.terms import Axis

_INTERPOLATION_REACH = 2  # inputs that any interpolation reads to one side


@dataclass(frozen=True)
class Borders:
    """How a folded way meets the border.

    `extension` is how to pad the low resolution ("zeros" costs nothing: products leave zeros out), `pads`
    how much, `axes` the nearest resize-convolution of what results, `strips` whether outputs that see the
    padding must be done plainly because no extension of the low resolution is upsampled to that padding.
    """

    extension: str
    pads: Pairs
    axes: tuple[Axis, ...]
    strips: bool


def borders(size: Sequence[int], kernel: Sequence[int], r: Resampling) -> Borders:
    """Find the extension that makes the folded way exact at the border, or as much of it as can be.

    Nearest: zeros, copies of the edge and a wrapped image are the upsampled zeros, copies and wrapped
    image; a reflection that stays inside the first pixel is a copy of the edge. Smooth: inside the image
    interpolation repeats the edge, and linear interpolation of a repeated edge is a repeated edge; all
    other paddings differ from it, in the outputs that see them.
    """
    scale, inside = r.whole, all(max(pair) < s for pair, s in zip(r.padding, r.whole, strict=True))
    unpadded = not any(map(any, r.padding))
    if not r.smooth and (r.padding_mode in ("zeros", "circular") or unpadded):
        extension, strips = r.padding_mode if r.padding_mode == "circular" else "zeros", False
    else:
        exact = r.padding_mode == "replicate" and r.mode != "bicubic"
        exact = exact or (not r.smooth and inside) or unpadded
        extension, strips = "replicate", not exact
    axes, pads = [], []
    for n, k, s, (before, after) in zip(size, kernel, scale, r.padding, strict=True):
        loss = len(smoothing_kernel(s, r.mode)) - 1
        outputs = n * s + before + after - k + 1 + loss
        offset = -before - loss // 2
        start = 0 if extension == "zeros" else -(offset // s)
        end = 0 if extension == "zeros" else (outputs - 1 + k - 1 + offset) // s - (n - 1)
        pads.append((max(start, 0), max(end, 0)))
        axes.append(Axis(k, s, offset + s * pads[-1][0], n + sum(pads[-1]), outputs))
    return Borders(extension, tuple(pads), tuple(axes), strips)


def extend(x: Tensor, b: Borders) -> Tensor:
    """Pad the low resolution as `b` says, by joining views: `F.pad` would keep `x` for its backward."""
    for axis, (before, after) in enumerate(b.pads):
        n = x.shape[2 + axis]
        if not before and not after:
            continue
        if b.extension == "circular":
            first, last = x.narrow(2 + axis, n - before, before), x.narrow(2 + axis, 0, after)
        else:
            sizes = [-1] * x.dim()
            sizes[2 + axis] = before
            first = x.narrow(2 + axis, 0, 1).expand(sizes)
            sizes[2 + axis] = after
            last = x.narrow(2 + axis, n - 1, 1).expand(sizes)
        x = torch.cat([first, x, last], dim=2 + axis)
    return x


def room(size: Sequence[int], kernel: Sequence[int], r: Resampling) -> bool:
    """Whether strips at opposite borders keep clear of each other, and wrapping stays within the image."""
    return all(n * s >= 2 * (k + s * (1 + _INTERPOLATION_REACH)) for n, k, s in zip(size, kernel, r.whole, strict=True))


def fill_strips(y: Tensor, x: Tensor, weight: Tensor, bias: Tensor | None, r: Resampling) -> Tensor:
    """Do the outputs that see the padding by the definition, on the few inputs that they need."""
    for axis, (before, after) in enumerate(r.padding):
        if before:
            y.narrow(2 + axis, 0, before).copy_(_strip(x, weight, bias, r, axis, before, False))
        if after:
            start = y.shape[2 + axis] - after
            y.narrow(2 + axis, start, after).copy_(_strip(x, weight, bias, r, axis, after, True))
    return y


def _strip(x: Tensor, weight: Tensor, bias: Tensor | None, r: Resampling, axis: int, rows: int, far: bool) -> Tensor:
    """The first (`far`: the last) `rows` outputs along one axis."""
    k, s, n = weight.shape[2 + axis], r.whole[axis], x.shape[2 + axis]
    # rows outputs read rows + k - 1 padded samples, `rows` of them padding; a reflection shows rows + 1
    high = max(k - 1, rows + 1)
    low = min(n, -(-high // s) + _INTERPOLATION_REACH)
    up = interpolate(x.narrow(2 + axis, n - low if far else 0, low), r)
    up = up.narrow(2 + axis, up.shape[2 + axis] - high if far else 0, high)
    here = (0, rows) if far else (rows, 0)
    pairs = tuple(here if a == axis else pair for a, pair in enumerate(r.padding))
    y = CONVOLUTION[r.dims](pad_high(up, pairs, r.padding_mode), weight, bias, groups=r.groups)
    return y.narrow(2 + axis, y.shape[2 + axis] - rows if far else 0, rows)
