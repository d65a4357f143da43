"""The definition: interpolate, pad, convolve. What every other way is held against."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from flatfield.nn.resampling import Pairs, Resampling

CONVOLUTION = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


def check_room(size: Sequence[int], pairs: Pairs, mode: str, what: str = "an upsampled") -> None:
    """Raise `ValueError` where reflection or wrapping would need more than the image has."""
    for n, pair in zip(size, pairs, strict=True):
        room = {"reflect": n - 1, "circular": n}.get(mode)
        if room is not None and max(pair) > room:
            raise ValueError(
                f"{mode} padding {pair} does not fit {what} size of {n}: take at most {room}, or zeros or replicate"
            )


def pad_high(x: Tensor, pairs: Pairs, mode: str) -> Tensor:
    """Pad the spatial axes by (before, after) each, as `torch.nn.Conv2d` does."""
    if not any(map(any, pairs)):
        return x
    flat = [number for pair in reversed(pairs) for number in pair]
    return F.pad(x, flat, mode="constant" if mode == "zeros" else mode)


def interpolate(x: Tensor, r: Resampling) -> Tensor:
    """Interpolate by the scale of `r`."""
    return F.interpolate(x, scale_factor=list(map(float, r.scale)), mode=r.mode, align_corners=r.align_corners)


def plain(x: Tensor, weight: Tensor, bias: Tensor | None, r: Resampling) -> Tensor:
    """Interpolate, pad and convolve, in this order."""
    up = interpolate(x, r)
    symmetric = all(before == after for before, after in r.padding)
    convolve = CONVOLUTION[r.dims]
    if r.padding_mode == "zeros" and symmetric:
        return convolve(up, weight, bias, padding=[before for before, _ in r.padding], groups=r.groups)
    return convolve(pad_high(up, r.padding, r.padding_mode), weight, bias, groups=r.groups)
