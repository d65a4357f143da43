"""Patterns: inputs beyond constants, ramps and stripes, as strong as the example itself."""

from __future__ import annotations

import torch

from flatfield.core.taps import Ints

RAMP, STRIPES = "ramp", "stripes"


def triangle(n: int) -> torch.Tensor:
    """One rise from -1 to 1 and one fall in n positions: the ramp that a torus can hold.

    >>> triangle(8).tolist()
    [-1.0, -0.5, 0.0, 0.5, 1.0, 0.5, 0.0, -0.5]
    """
    up = torch.arange(n, dtype=torch.float64) * 4 / n - 1
    return torch.where(up <= 1, up, 2 - up)


def add_pattern(flat: torch.Tensor, like: torch.Tensor, dims: int, pattern: str) -> tuple[torch.Tensor, Ints]:
    """Add a pattern to a flat field, in each channel as strong as the example's deviation there.

    A ramp runs along the last axis; stripes are random along all axes but the last and constant along it.
    Gives the field and its periods on the last `dims` axes.
    """
    space = tuple(range(like.dim() - dims, like.dim()))
    size = flat.shape[-dims:]
    strength = like.std(space, keepdim=True, correction=0) if like[0].numel() > 1 else like.abs()
    if pattern == RAMP:
        return flat + strength * triangle(size[-1]).to(flat), (*(1,) * (dims - 1), size[-1])
    noise = torch.randn([*flat.shape[:-1], 1], generator=torch.Generator().manual_seed(0))
    return flat + strength * noise.to(flat), (*size[:-1], 1)
