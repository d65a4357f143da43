"""Where in the picture is the grid?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from flatfield.measure.harmonics import checked, harmonics
from flatfield.measure.lattice import pictures_of


def demodulated(slope: NDArray[np.float32], along: float, across: float, window: int) -> NDArray[np.float32]:
    """Compute the local power (H, W) of one frequency pair of (C, H, W), averaged over `window` pixels a side."""
    from scipy.ndimage import uniform_filter  # noqa: PLC0415  # slow to import, and rarely needed

    phase = along * np.arange(slope.shape[-1]) + across * np.arange(slope.shape[-2])[:, None]
    moved = slope * np.exp(-2j * np.pi * phase).astype(np.complex64)
    size = (1, window, window)
    real, imaginary = (uniform_filter(part, size, mode="reflect") for part in (moved.real, moved.imag))
    return np.asarray((real**2 + imaginary**2).mean(axis=0))


def strength_map(
    image: ArrayLike, periods: tuple[int, ...] | list[int] | range, window: int = 32
) -> NDArray[np.float32]:
    """Map the local rms (H, W) of the lattice of these periods, in the picture's units, around every pixel.

    `image` is (C, H, W) or (H, W); `window` the side in pixels of the square that is averaged over. At every harmonic
    the power of the two frequencies 1.5 / window beside it is taken off: 0 where a lattice doesn't stand out. Raises
    ValueError on what is no picture or a window below 16.

    A lattice of rms 2 in the right half only:

    >>> picture = np.full((64, 64), 100.0)
    >>> picture[:, 32:] += 2 * (-1.0) ** np.arange(32)
    >>> heat = strength_map(picture, (2,), window=16)
    >>> heat[32, 8].round(2), heat[32, 48].round(2)
    (np.float32(0.0), np.float32(1.95))
    """
    if window < 16:
        raise ValueError(f"window {window} is too small: give 16 pixels or more")
    array = pictures_of(image)
    if array.shape[0] != 1:
        raise ValueError(f"{array.shape[0]} pictures at once: map one at a time")
    picture = array[0].astype(np.float32)
    total = np.zeros(picture.shape[1:], dtype=np.float32)
    for axis in (-1, -2):
        upright = picture if axis == -1 else picture.swapaxes(-1, -2)
        slope = np.diff(upright, axis=-1, append=upright[..., -1:])
        part = np.zeros(upright.shape[1:], dtype=np.float32)
        for h in (h for h in harmonics(checked(periods)) if h.axis == axis):
            beside = [demodulated(slope, h.along + k * 1.5 / window, h.across, window) for k in (-1, 1)]
            line = demodulated(slope, h.along, h.across, window) - np.maximum(*beside)
            twice = 1 if h.along == 0.5 and h.across in (0.0, 0.5) else 2
            part += np.maximum(line, 0) * twice / (4 * np.sin(np.pi * h.along) ** 2)
        total += part if axis == -1 else part.T
    return np.asarray(np.sqrt(total))


def map_path(folder: str, file: str) -> Path:
    """Place a file's map in the folder as the file lies among others: no two files share one.

    >>> map_path("maps", "a/b.png").as_posix(), map_path("maps", "a_b.png").as_posix()
    ('maps/a/b.png.png', 'maps/a_b.png.png')
    >>> map_path("maps", "../b.png").as_posix()
    'maps/up/b.png.png'
    """
    path = Path(file)
    parts = ["up" if part == ".." else part for part in path.parts if part != path.anchor]
    return Path(folder, *parts[:-1], f"{parts[-1]}.png")


def write_map(folder: str, file: str, picture: ArrayLike, periods: tuple[int, ...]) -> None:
    """Write the heat map of one picture as a PNG under its own name: 10 levels of the map to one of lattice."""
    from PIL import Image  # noqa: PLC0415

    window = min(32, *np.shape(picture)[-2:])
    heat = np.clip(strength_map(picture, periods, window) * 10, 0, 255).round().astype(np.uint8)
    target = map_path(folder, file)
    target.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(heat).save(target)
