"""Flat fields: how uneven a tensor is over its positions, and the flat field nearest to it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from flatfield.core.taps import Ints
from flatfield.probe.patterns import pattern_of, strength_of
from flatfield.probe.period import Periods, spatial_axes


def whole_periods(tensor: torch.Tensor, periods: Periods) -> torch.Tensor:
    """Crop a window to whole periods; axes shorter than one are left as they are.

    >>> whole_periods(torch.zeros(1, 7), (0, 3)).shape
    torch.Size([1, 6])
    """
    for axis, period in enumerate(periods):
        n = tensor.shape[axis]
        if 1 < period <= n and n % period:
            tensor = tensor.narrow(axis, 0, n - n % period)
    return tensor


def tensor_unevenness(tensor: torch.Tensor, periods: Periods) -> float:
    """Measure the unevenness of a tensor: rms of what departs from the spatial mean over rms of all.

    The phase means of the design's definition, with the tensor's own positions as the phases.

    >>> round(tensor_unevenness(torch.tensor([[2.0, 1.0]]), (0, 2)), 4)
    0.3162
    """
    axes = spatial_axes(periods)
    if not axes or tensor.numel() == 0:
        return 0.0
    whole = whole_periods(tensor.detach(), periods).double()
    departure = whole - whole.mean(axes, keepdim=True)
    power, uneven = (float(t.square().sum()) for t in (whole, departure))
    ratio = math.sqrt(uneven / power) if power > 0.0 else 0.0
    return min(ratio, 1.0) if math.isfinite(ratio) else 0.0


def flattened(tensor: torch.Tensor, axes: Sequence[int], size: Sequence[int] | None = None) -> torch.Tensor:
    """Replace a tensor by its spatial mean, of its own size or another.

    >>> flattened(torch.tensor([[1.0, 3.0]]), (1,), (3,)).tolist()
    [[2.0, 2.0, 2.0]]
    """
    shape = list(tensor.shape)
    for axis, n in zip(axes, size or [shape[a] for a in axes], strict=True):
        shape[axis] = n
    if not axes:
        return tensor
    mean = tensor.mean(tuple(axes), keepdim=True) if tensor.is_floating_point() else tensor
    return mean.expand(shape).clone()


def patterned(flat: torch.Tensor, like: torch.Tensor, axes: Ints, pattern: str) -> torch.Tensor:
    """Add a pattern to a flat field, as strong as what the example `like` does along `axes`."""
    mean, deviation = (
        t.detach().to("cpu", torch.float64).numpy()
        for t in (like.mean(axes, keepdim=True), like.std(axes, keepdim=True, correction=0))
    )
    added = strength_of(mean, deviation) * pattern_of(pattern, tuple(flat.shape), axes)
    return flat + torch.from_numpy(added).to(flat)


def is_constant(tensor: torch.Tensor, axis: int) -> bool:
    """True when a tensor does not change along an axis.

    >>> is_constant(torch.ones(2, 3), 1), is_constant(torch.arange(3), 0)
    (True, False)
    """
    if tensor.shape[axis] <= 1:
        return True
    return bool((tensor == tensor.narrow(axis, 0, 1)).all())
