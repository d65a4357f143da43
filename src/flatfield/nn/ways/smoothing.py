"""Every other interpolation is the nearest one, smoothed by a small fixed kernel at high resolution."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from flatfield.core import interpolation_kernel
from flatfield.nn.ways.plain import CONVOLUTION

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


def _smooth_axes(y: Tensor, kernels: Sequence[Sequence[float]], full: bool) -> Tensor:
    """Convolve every channel along every axis; `full` pads, so that valid and full are transposes."""
    dims, channels = y.dim() - 2, y.shape[1]
    for axis, kernel in enumerate(kernels):
        if len(kernel) == 1:
            continue
        shape = [1] * dims
        shape[axis] = len(kernel)
        weight = y.new_tensor(kernel).view(1, 1, *shape).expand(channels, *[-1] * (dims + 1))
        padding = [len(kernel) - 1 if full and a == axis else 0 for a in range(dims)]
        y = CONVOLUTION[dims](y, weight, padding=padding, groups=channels)
    return y


class Smooth(torch.autograd.Function):
    """Smoothing that saves nothing for backward: it is linear, symmetric and known."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, kernels: Sequence[Sequence[float]], full: bool) -> Tensor:
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
