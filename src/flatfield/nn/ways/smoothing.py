"""Every other interpolation is the nearest one, smoothed by a small fixed kernel at high resolution."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from flatfield.core import interpolation_kernel
from flatfield.nn.ways.layout import memory_format
from flatfield.nn.ways.plain import CONVOLUTION

Kernels = Sequence[Sequence[float]]

_ONE_PASS = 27  # taps of a product of kernels of 3, in up to three dimensions
_KERNELS: dict[tuple[int, str], tuple[float, ...]] = {}


def smoothing_kernel(scale: int, mode: str) -> tuple[float, ...]:
    """Divide the kernel of an interpolation by the box of the nearest one: always possible, always symmetric.

    An interpolation keeps constants, so its spectrum is zero at all multiples of 2 pi / scale (Strang-Fix,
    order 1), as a polynomial in the shift it has the box as a factor. The quotient is odd in length and
    sums to 1: [1, 2, 1] / 4 for bilinear by 2.

    >>> smoothing_kernel(2, "bilinear"), smoothing_kernel(3, "nearest")
    ((0.25, 0.5, 0.25), (1.0,))
    """
    if mode.startswith("nearest"):
        return (1.0,)
    if (scale, mode) in _KERNELS:
        return _KERNELS[scale, mode]
    known = {"bilinear": "linear", "trilinear": "linear", "bicubic": "cubic"}.get(mode, mode)
    kernel, _ = interpolation_kernel(scale, known)  # type: ignore[arg-type]
    quotient, _ = np.polydiv(kernel, np.ones(scale))
    _KERNELS[scale, mode] = tuple(float(tap) for tap in quotient)
    return _KERNELS[scale, mode]


def _smooth_axes(y: Tensor, kernels: Kernels, full: bool) -> Tensor:
    """Convolve every channel along every axis; `full` pads, so that valid and full are transposes.

    Small kernels in one pass, as a convolution with as many groups as channels; in 1-d, in 3-d with the
    channels outermost, and for long kernels, sums of shifted copies are faster (`python -m benchmarks.nn.fit`).
    """
    dims, taps = y.dim() - 2, math.prod(map(len, kernels))
    if taps == 1:
        return y
    last = memory_format(y, y) is not torch.contiguous_format
    if taps <= _ONE_PASS and (dims == 2 or (dims == 3 and last)):
        return _smooth_at_once(y, kernels, full)
    for axis, kernel in enumerate(kernels):
        if len(kernel) > 1:
            y = _smooth_along(y, axis, kernel, full)
    return y


def _smooth_at_once(y: Tensor, kernels: Kernels, full: bool) -> Tensor:
    weight = y.new_tensor(kernels[0])
    for kernel in kernels[1:]:
        weight = weight.unsqueeze(-1) * y.new_tensor(kernel)
    weight = weight.expand(y.shape[1], 1, *weight.shape)
    padding = [len(kernel) - 1 if full else 0 for kernel in kernels]
    return CONVOLUTION[len(kernels)](y, weight, padding=padding, groups=y.shape[1])


def _smooth_along(y: Tensor, axis: int, kernel: Sequence[float], full: bool) -> Tensor:
    """The kernel is symmetric: equal taps are added before they are weighted."""
    middle = len(kernel) // 2
    if full:
        y = F.pad(y, [0] * (2 * (y.dim() - 3 - axis)) + [2 * middle] * 2)
    count = y.shape[2 + axis] - 2 * middle
    shifted = [y.narrow(2 + axis, shift, count) for shift in range(len(kernel))]
    total = shifted[middle] * kernel[middle]
    for tap in range(middle):
        total = total.add_(shifted[tap] + shifted[-1 - tap], alpha=kernel[tap])
    return total


class Smooth(torch.autograd.Function):
    """Smoothing that saves nothing for backward: it is linear, symmetric and known."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, kernels: Kernels, full: bool) -> Tensor:
        """Convolve with `kernels`; `full` pads for every tap."""
        ctx.kernels, ctx.full = kernels, full
        return _smooth_axes(y, kernels, full)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        """Full for valid and valid for full."""
        return smoothed(gradients[0], ctx.kernels, not ctx.full), None, None


smoothed: Callable[..., Tensor] = Smooth.apply
"""`Smooth` as a function of (y, kernels, full)."""


def smooth(y: Tensor, scale: Sequence[int], mode: str, *, traced: bool) -> Tensor:
    """Smooth a nearest result into that of `mode`; loses `(len(kernel) - 1) / 2` samples at every border.

    `traced` keeps to operators that every tracer and transform knows.
    """
    kernels = [smoothing_kernel(s, mode) for s in scale]
    return _smooth_axes(y, kernels, False) if traced else smoothed(y, kernels, False)
