"""Sample sheets: pictures side by side, as they are or enlarged pixel by pixel."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

GAP = 2
COLUMNS = 8
FACTOR = 4


def sheet(pictures: npt.NDArray[np.uint8], columns: int = COLUMNS) -> npt.NDArray[np.uint8]:
    """Lay pictures (n, h, w, 3) out in rows of `columns`, white gaps between.

    >>> sheet(np.zeros((3, 4, 4, 3), dtype=np.uint8), columns=2).shape
    (10, 10, 3)
    """
    count, height, width, _ = pictures.shape
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    page = np.full((rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, 3), 255, dtype=np.uint8)
    for i, picture in enumerate(pictures):
        top, left = (i // columns) * (height + GAP), (i % columns) * (width + GAP)
        page[top : top + height, left : left + width] = picture
    return page


def save_sheet(path: Path, pictures: npt.NDArray[np.uint8], columns: int = COLUMNS) -> None:
    """Write a sheet as PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    Image.fromarray(sheet(pictures, columns)).save(part, format="PNG", optimize=True)
    part.replace(path)


def enlarge(picture: npt.NDArray[np.uint8], target: Path, factor: int = FACTOR) -> None:
    """Write a picture as PNG with every pixel as a square of `factor`: what a grid is made of stays visible."""
    large = picture.repeat(factor, axis=0).repeat(factor, axis=1)
    Image.fromarray(large).save(target, format="PNG", optimize=True)
