"""Quality: how near a painted picture is to its original, or a set of pictures to another set."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from flatfield.lab.draw import generator_of


def psnr(painted: Tensor, original: Tensor) -> float:
    """Give the peak signal-to-noise ratio in dB of pictures in [-1, 1], from the error over all of them.

    An error of a tenth of the range everywhere is 20 dB:

    >>> round(psnr(torch.full((1, 3, 2, 2), 0.2), torch.zeros(1, 3, 2, 2)), 3)
    20.0
    """
    error = float(((painted.clamp(-1, 1) - original) / 2).double().square().mean())
    return -10 * math.log10(error) if error > 0 else math.inf


def sliced_wasserstein(first: Tensor, second: Tensor, *, directions: int = 256, size: int = 7, seed: int = 0) -> float:
    """Give the sliced Wasserstein distance between the patches of two sets of pictures (n, c, h, w), in grey levels.

    Patches of `size` are projected on random directions of unit length; sorted projections are compared, and the rms
    difference is averaged (Rabin et al. 2011; on patches as Karras et al. 2018). Equal sets have 0. Raises `ValueError`
    for sets of different shapes: sorted lists are compared value by value.

    >>> pictures = torch.rand(4, 3, 16, 16)
    >>> sliced_wasserstein(pictures, pictures.flip(0))
    0.0
    """
    if first.shape != second.shape:
        raise ValueError(
            f"sets of shapes {tuple(first.shape)} and {tuple(second.shape)} can't be compared: take equal ones"
        )
    generator = generator_of(seed, "directions")
    across = torch.randn(first.shape[1] * size * size, directions, generator=generator)
    across = across / across.norm(dim=0)
    lines = [_patches(pictures, size).matmul(across).sort(dim=0).values for pictures in (first, second)]
    # one unit along a direction of many pixels is shared by all of them: back to grey levels of one pixel
    return 127.5 * float((lines[0] - lines[1]).square().mean(0).sqrt().mean())


def _patches(pictures: Tensor, size: int) -> Tensor:
    """Cut patches, stride 3 (no multiple of any grid's period): (count, c * size * size)."""
    cut = pictures.unfold(2, size, 3).unfold(3, size, 3)
    patches: Tensor = cut.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(0, 2)
    return patches
