"""Nearest interpolation and convolution as one small convolution to all phases, pixel shuffle, crop."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from flatfield.nn.ways.plain import CONVOLUTION
from flatfield.nn.ways.terms import Axis


def shuffle(y: Tensor, scale: Sequence[int]) -> Tensor:
    """Move phases from channels into space, in any number of dimensions (PyTorch's channel order).

    (batch, channels * prod(scale), *size) becomes (batch, channels, *(scale * size)), as
    `torch.nn.functional.pixel_shuffle` does in 2-D for one scale (Shi et al. 2016).

    >>> shuffle(torch.tensor([[[10, 11], [20, 21]]]), (2,))
    tensor([[[10, 20, 11, 21]]])
    """
    dims = len(scale)
    if dims == 2 and scale[0] == scale[1]:
        return F.pixel_shuffle(y, scale[0])
    split: Tensor = y.unflatten(1, (-1, *scale))
    pairs = [axis for a in range(dims) for axis in (2 + dims + a, 2 + a)]
    sizes = [n * s for n, s in zip(y.shape[2:], scale, strict=True)]
    return split.permute(0, 1, *pairs).reshape(y.shape[0], -1, *sizes)


def reach(kernel: int, scale: int) -> int:
    """How many inputs one cell of `scale` outputs reads: the size of the phase kernels."""
    return (scale + kernel - 2) // scale + 1


def readers(kernel: int, scale: int, like: Tensor) -> Tensor:
    """Which tap reads which of the inputs at which phase: (kernel, scale, reach) of 0 and 1.

    >>> readers(3, 2, torch.zeros(())).sum(0)
    tensor([[2., 1.],
            [1., 2.]])
    """
    inputs = range(reach(kernel, scale))
    return like.new_tensor(
        [[[float((t + f) // scale == n) for n in inputs] for f in range(scale)] for t in range(kernel)]
    )


def phase_kernels(weight: Tensor, scale: Sequence[int]) -> Tensor:
    """Sum the taps of (out, in, *kernel) that read one input: (out * prod(scale), in, *reach).

    >>> phase_kernels(torch.tensor([[[1.0, 2.0, 3.0]]]), (2,))
    tensor([[[3., 3.]],
    <BLANKLINE>
            [[1., 5.]]])
    """
    dims = weight.dim() - 2
    kernels = weight
    for k, s in zip(weight.shape[2:], scale, strict=True):  # axis 2 is always the next
        kernels = torch.tensordot(kernels, readers(k, s, weight), dims=([2], [0]))
    phases = range(2, 2 + 2 * dims, 2)
    kernels = kernels.permute(0, *phases, 1, *range(3, 3 + 2 * dims, 2))
    return kernels.reshape(weight.shape[0] * math.prod(scale), *kernels.shape[1 + dims :])


def phased(x: Tensor, kernels: Tensor, bias: Tensor | None, axes: Sequence[Axis], groups: int) -> Tensor:
    """Compute the nearest resize-convolution of `axes` from its phase kernels.

    Cells start where an input starts, `m + offset = scale n + phase`, so that a cell reads the fewest
    inputs; what they write before the first and behind the last output is cut off.
    """
    scale = [axis.scale for axis in axes]
    pads = []
    for axis, size in zip(axes, kernels.shape[2:], strict=True):
        first = axis.offset // axis.scale
        last = (axis.outputs - 1 + axis.offset) // axis.scale + size - 1
        pads.append((-first, last - (axis.inputs - 1)))
    convolve = CONVOLUTION[len(axes)]
    every = None if bias is None else bias.repeat_interleave(math.prod(scale))
    if all(before == after >= 0 for before, after in pads):
        y = convolve(x, kernels, every, padding=[before for before, _ in pads], groups=groups)
    else:
        y = convolve(F.pad(x, [n for pair in reversed(pads) for n in pair]), kernels, every, groups=groups)
    y = shuffle(y, scale)
    for a, axis in enumerate(axes):
        y = y.narrow(2 + a, axis.offset % axis.scale, axis.outputs)
    return y
