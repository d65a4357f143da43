"""Patches: small squares of photographs, as tensors in [-1, 1]."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from flatfield.lab.draw import Draw
from flatfield.lab.photographs import Picture, check_room

GREY_LEVELS = 127.5
"""Grey levels (of 255) in one unit of a tensor."""


def to_tensor(pictures: np.ndarray) -> Tensor:
    """Turn (..., height, width, 3) bytes into (..., 3, height, width) in [-1, 1].

    >>> to_tensor(np.full((1, 1, 3), 255, dtype=np.uint8)).flatten().tolist()
    [1.0, 1.0, 1.0]
    """
    return torch.from_numpy(np.moveaxis(pictures, -1, -3).copy()).float() / GREY_LEVELS - 1.0


def to_bytes(pictures: Tensor) -> np.ndarray:
    """Turn (..., 3, height, width) in [-1, 1] into (..., height, width, 3) bytes, rounded and cut off at the ends.

    >>> to_bytes(torch.tensor([-1.0, 0.0, 2.0]).view(3, 1, 1)).tolist()
    [[[0, 128, 255]]]
    """
    levels = ((pictures.detach().cpu().double() + 1.0) * GREY_LEVELS).round().clamp(0, 255)
    return np.moveaxis(levels.numpy().astype(np.uint8), -3, -1)


class Patches:
    """Random patches of `size` of some pictures, turned and mirrored: larger pictures are drawn from more often.

    >>> patches = Patches([np.zeros((40, 50, 3), dtype=np.uint8)], 32)
    >>> tuple(patches.sample(Draw(torch.Generator().manual_seed(0), 5)).shape)
    (5, 3, 32, 32)
    """

    def __init__(self, pictures: Sequence[Picture], size: int) -> None:
        check_room(pictures, size)
        self.size = size
        self.pictures = [to_tensor(picture) for picture in pictures]
        self.room = [(p.shape[1] - size + 1, p.shape[2] - size + 1) for p in self.pictures]
        self.ends = np.cumsum([rows * columns for rows, columns in self.room])

    def sample(self, draw: Draw) -> Tensor:
        """Draw this process's patches of one step, (rows, 3, size, size)."""
        places = draw.integers(int(self.ends[-1]))
        ways = draw.integers(8)
        return torch.stack([self._turned(int(p), int(w)) for p, w in zip(places, ways, strict=True)])

    def _turned(self, place: int, way: int) -> Tensor:
        which = int(np.searchsorted(self.ends, place, side="right"))
        within = place - (int(self.ends[which - 1]) if which else 0)
        top, left = divmod(within, self.room[which][1])
        patch = self.pictures[which][:, top : top + self.size, left : left + self.size]
        turned = patch.rot90(way % 4, (1, 2))
        return turned.flip(2) if way >= 4 else turned


def tiled(pictures: Sequence[Picture], size: int, count: int) -> Tensor:
    """Cut the pictures into squares side by side and keep `count` of them, spread evenly: (count, 3, size, size).

    >>> tuple(tiled([np.zeros((64, 96, 3), dtype=np.uint8)], 32, 4).shape)
    (4, 3, 32, 32)
    """
    check_room(pictures, size)
    squares = []
    for picture in pictures:
        height, width = (n // size * size for n in picture.shape[:2])
        tensor = to_tensor(picture[:height, :width])
        cut = tensor.unfold(1, size, size).unfold(2, size, size)
        squares.append(cut.permute(1, 2, 0, 3, 4).reshape(-1, 3, size, size))
    every = torch.cat(squares)
    chosen = torch.linspace(0, len(every) - 1, min(count, len(every))).round().long()
    return every[chosen]
