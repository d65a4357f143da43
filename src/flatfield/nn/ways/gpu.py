"""The mixed way on a GPU: one product for all taps, then one Triton kernel that shifts, resizes and adds."""

from __future__ import annotations

import importlib
import importlib.util
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from flatfield.nn.ways.terms import Axis

available = importlib.util.find_spec("triton") is not None
"""Whether the kernel can be compiled (or, with TRITON_INTERPRET=1, interpreted): PyTorch brings Triton with CUDA."""

triton: Any = importlib.import_module("triton") if available else None
tl: Any = importlib.import_module("triton.language") if available else None

constexpr = Any  # by this name Triton knows what is constant, and compiles a kernel for each value
BLOCK = 256
"""Outputs a program writes: untuned, no GPU was at hand."""


def _shift_and_add(
    maps: Any,
    bias: Any,
    out: Any,
    channels: Any,
    has_bias: constexpr,
    inputs_0: Any,
    inputs_1: Any,
    inputs_2: Any,
    outputs_0: Any,
    outputs_1: Any,
    outputs_2: Any,
    offset_0: Any,
    offset_1: Any,
    offset_2: Any,
    kernel_0: constexpr,
    kernel_1: constexpr,
    kernel_2: constexpr,
    scale_0: constexpr,
    scale_1: constexpr,
    scale_2: constexpr,
    block: constexpr,
) -> None:
    """Write a block of one output plane: `y[m] = bias + sum over t of maps[t][(m + t + offset) // scale]`.

    `maps` is (batch, taps, channels, *inputs), `out` (batch, channels, *outputs), both contiguous. Floor
    division of what may be negative: `scale * kernel` is added first and taken off after.
    """
    plane = tl.program_id(0)
    index = tl.program_id(1) * block + tl.arange(0, block)
    volume = inputs_0 * inputs_1 * inputs_2
    size = outputs_0 * outputs_1 * outputs_2
    inside = index < size
    m_2 = index % outputs_2
    m_1 = (index // outputs_2) % outputs_1
    m_0 = index // (outputs_2 * outputs_1)
    channel = plane % channels
    image = plane // channels
    total = tl.zeros((block,), dtype=tl.float32)
    if has_bias:
        total += tl.load(bias + channel).to(tl.float32)
    for tap in tl.static_range(kernel_0 * kernel_1 * kernel_2):
        t_0 = tap // (kernel_1 * kernel_2)
        t_1 = (tap // kernel_2) % kernel_1
        t_2 = tap % kernel_2
        n_0 = (m_0 + t_0 + offset_0 + scale_0 * kernel_0) // scale_0 - kernel_0
        n_1 = (m_1 + t_1 + offset_1 + scale_1 * kernel_1) // scale_1 - kernel_1
        n_2 = (m_2 + t_2 + offset_2 + scale_2 * kernel_2) // scale_2 - kernel_2
        seen = inside & (n_0 >= 0) & (n_0 < inputs_0) & (n_1 >= 0) & (n_1 < inputs_1)
        seen = seen & (n_2 >= 0) & (n_2 < inputs_2)
        start = ((image * (kernel_0 * kernel_1 * kernel_2) + tap) * channels + channel).to(tl.int64) * volume
        place = start + (n_0 * inputs_1 + n_1) * inputs_2 + n_2
        total += tl.load(maps + place, mask=seen, other=0.0).to(tl.float32)
    tl.store(out + plane.to(tl.int64) * size + index, total, mask=inside)


_kernel: Any = triton.jit(_shift_and_add) if available else None


def mix_on_gpu(x: Tensor, weight: Tensor, bias: Tensor | None, axes: Sequence[Axis]) -> Tensor:
    """Compute the nearest resize-convolution of `axes`, (batch, out, *outputs).

    The product makes one map a tap at low resolution, prod(kernel) times the output's channels in memory;
    sums are taken in float32. Offsets must be above minus the kernel, as paddings below it make them.
    """
    taps, channels = math.prod(weight.shape[2:]), weight.shape[0]
    matrix = weight.movedim((0, 1), (-2, -1)).reshape(taps * channels, weight.shape[1])
    maps = torch.matmul(matrix, x.flatten(2))
    y = x.new_empty(x.shape[0], channels, *(axis.outputs for axis in axes))
    full = [Axis(1, 1, 0, 1, 1)] * (3 - len(axes)) + list(axes)
    grid = (x.shape[0] * channels, triton.cdiv(math.prod(y.shape[2:]), BLOCK))
    _kernel[grid](
        maps,
        maps if bias is None else bias,
        y,
        channels,
        bias is not None,
        *(axis.inputs for axis in full),
        *(axis.outputs for axis in full),
        *(axis.offset for axis in full),
        *(axis.kernel for axis in full),
        *(axis.scale for axis in full),
        BLOCK,
    )
    return y
