"""Nearest interpolation and convolution as one transposed convolution with the folded kernel."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from flatfield.nn.ways.terms import Axis

TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


def box(kernel: int, scale: int, like: Tensor) -> Tensor:
    """The matrix (kernel, kernel + scale - 1) that convolves with a box of ones.

    >>> box(2, 2, torch.zeros(()))
    tensor([[1., 1., 0.],
            [0., 1., 1.]])
    """
    columns = range(kernel + scale - 1)
    return like.new_tensor([[float(0 <= column - tap < scale) for column in columns] for tap in range(kernel)])


def folded_kernel(weight: Tensor, scale: Sequence[int], groups: int = 1) -> Tensor:
    """Fold nearest interpolation into a convolution's (out, in / groups, *kernel), differentiably.

    The result is a transposed convolution's (in, out / groups, *kernel + scale - 1): the flipped kernel
    convolved with a box of `scale` (design, section 3; `flatfield.core.fold` in numpy).

    >>> folded_kernel(torch.tensor([[[1.0, 2.0, 3.0]]]), (2,))
    tensor([[[3., 5., 3., 1.]]])
    """
    out, per_group, *kernel = weight.shape
    split = weight.reshape(groups, out // groups, per_group, *kernel).transpose(1, 2)
    folded = split.reshape(groups * per_group, out // groups, *kernel).flip([2 + axis for axis in range(len(scale))])
    for k, s in zip(kernel, scale, strict=True):  # axis 2 is always the next; the folded one goes to the end
        folded = torch.tensordot(folded, box(k, s, weight), dims=([2], [0]))
    return folded


def transposed(x: Tensor, folded: Tensor, bias: Tensor | None, axes: Sequence[Axis], groups: int) -> Tensor:
    """Compute the nearest resize-convolution of `axes` from its folded kernel.

    Tap t reaches output `m = s n + r - t - offset`, which is tap `r - t + k - 1` of the folded kernel at
    padding `k - 1 + offset`.
    """
    padding = [axis.kernel - 1 + axis.offset for axis in axes]
    extra = [
        axis.outputs - ((axis.inputs - 2) * axis.scale - 2 * p + axis.kernel + 2 * axis.scale - 1)
        for axis, p in zip(axes, padding, strict=True)
    ]
    # output_padding must stay below the stride: whole cells beyond it become inputs of zero
    cells = [max(0, e // axis.scale) for axis, e in zip(axes, extra, strict=True)]
    if any(cells):
        x = F.pad(x, [number for c in reversed(cells) for number in (0, c)])
    rest = [max(0, e - c * axis.scale) for axis, e, c in zip(axes, extra, cells, strict=True)]
    stride = [axis.scale for axis in axes]
    y = TRANSPOSED[len(axes)](x, folded, bias, stride, padding, rest, groups)
    for a, axis in enumerate(axes):
        if y.shape[2 + a] != axis.outputs:
            y = y.narrow(2 + a, 0, axis.outputs)
    return y
