"""Smooth random fields: what stands for a picture, a volume or a spectrogram as an example input."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

_MODES = {1: "linear", 2: "bilinear", 3: "trilinear"}


def smooth_field(channels: int, size: tuple[int, ...], batch: int = 1, cells: int = 4) -> Tensor:
    """Draw (batch, channels, *size) numbers in [-1, 1] that vary smoothly: `cells` random cells an axis, interpolated.

    A flat-ish input with a little structure, as a picture has; one to three dimensions.

    >>> field = smooth_field(3, (16, 16))
    >>> tuple(field.shape), bool(field.abs().max() <= 1)
    ((1, 3, 16, 16), True)
    """
    coarse = torch.rand(batch, channels, *(cells for _ in size)) * 2 - 1
    return F.interpolate(coarse, size=size, mode=_MODES[len(size)], align_corners=False)
