"""ICNR: an initialisation that starts an upsampling layer as nearest interpolation of a convolution."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from flatfield.core.taps import per_axis


def icnr_(
    weight: Tensor, scale: int | Sequence[int], *, bias: Tensor | None = None, transposed: bool = False
) -> Tensor:
    """Copy the kernel of the first phase to all phases, in place, so that the layer starts flat.

    `weight` is a sub-pixel convolution's (out * prod(scale), in, *kernel) in PyTorch's channel order, or
    with `transposed=True` a transposed convolution's (in, out, *kernel) of stride `scale`. What it was drawn
    from stays what it is drawn from: the first phase is kept. Give the sub-pixel convolution's `bias` too: a
    bias that differs from phase to phase is a grid that needs no input. Returns `weight`. Raises
    `ValueError` for channels (transposed: a kernel) that the phases don't divide. Training may leave this
    start; `flatten_weights` never does. Source: Aitken et al. 2017 (arXiv 1707.02937).

    >>> icnr_(torch.arange(8.0).view(4, 2, 1), 2)[:, :, 0]
    tensor([[0., 1.],
            [0., 1.],
            [4., 5.],
            [4., 5.]])
    >>> icnr_(torch.tensor([[[1.0, 2.0, 3.0, 4.0]]]), 2, transposed=True)
    tensor([[[1., 1., 3., 3.]]])
    """
    dims = weight.dim() - 2
    scales = per_axis(scale, dims, "scale")
    with torch.no_grad():
        if transposed:
            kernel = tuple(weight.shape[2:])
            if any(k % s for k, s in zip(kernel, scales, strict=True)):
                raise ValueError(
                    f"kernel {kernel} is not a multiple of the stride {scales}, phases have different taps: "
                    f"take a multiple, or flatten_weights"
                )
            first = weight
            for axis, s in enumerate(scales):
                steps = torch.arange(0, kernel[axis], s, device=weight.device)
                first = first.index_select(2 + axis, steps).repeat_interleave(s, dim=2 + axis)
            return weight.copy_(first)
        phases = math.prod(scales)
        for tensor in (weight, bias):
            if tensor is None:
                continue
            if tensor.shape[0] % phases:
                raise ValueError(
                    f"{tensor.shape[0]} channels can't be shuffled by {scales}: not a multiple of {phases}"
                )
            tensor.copy_(tensor[::phases].repeat_interleave(phases, dim=0))
        return weight
