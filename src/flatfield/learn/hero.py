"""Hero: the pictures at the top of the page: a flat field behind three deconvolutions, and behind three resizes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flatfield.core import Interpolation, TransposedConvolution, Window, fold, unevenness
from flatfield.render.png import png_address

Plane = npt.NDArray[np.float64]

_SHOWN = 48  # pixels of the output that are shown, each way
_LAYERS = 3
_SEED = 7


@dataclass(frozen=True)
class Picture:
    """A picture, its caption, and what it shows in words."""

    address: str
    caption: str
    alt: str


def hero_pictures() -> tuple[Picture, ...]:
    """Give the three pictures: what goes in, the grid, and the cure.

    >>> [picture.caption.split(",")[-1] for picture in hero_pictures()][1:]
    [' unevenness 0.511', ' unevenness 0.000']
    """
    random = np.random.default_rng(_SEED)
    kernels = [random.uniform(0.2, 1.0, (1, 1, 3, 3)) for _ in range(_LAYERS)]
    grid = _stack(kernels, lambda kernel: TransposedConvolution(kernel, Window(2, stride=2)))
    nearest = Interpolation((2, 2), "nearest")
    flat = _stack(kernels, lambda kernel: TransposedConvolution(fold(nearest, kernel), Window(2, stride=2)))
    return (
        _picture(np.ones((1, 1)), "In: a flat field", "An even grey square."),
        _picture(grid, "Out of three deconvolutions 3/2", "A checkerboard of fine and coarse squares."),
        _picture(flat, "Out of three resize-convolutions", "An even grey square."),
    )


def _stack(kernels: list[Plane], layer: Callable[[Plane], TransposedConvolution]) -> Plane:
    """One period of the output, exactly: the layers on a torus that starts with a single position."""
    tile = np.ones((1, 1))
    for kernel in kernels:
        tile = (layer(kernel).as_matrix(tile.shape, torus=True) @ tile.ravel()).reshape(2 * len(tile), -1)
    return tile


def _picture(tile: Plane, caption: str, alt: str) -> Picture:
    uneven = unevenness(tile.reshape(-1, 1, 1))
    if tile.size > 1:
        caption = f"{caption}, unevenness {uneven:.3f}"
    # the mean is one grey in every picture, so that only the grid differs
    grey = np.clip(150.0 * (tile / tile.mean()) ** 0.7, 0.0, 255.0)
    repeats = -(-_SHOWN // len(tile))
    plane = np.tile(grey.round().astype(np.uint8), (repeats, repeats))[:_SHOWN, :_SHOWN]
    return Picture(png_address(plane), caption, alt)
