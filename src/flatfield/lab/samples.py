"""Samples: a few of the pictures on a run's sheets, enlarged, a strip a network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from flatfield.lab.patches import tiled, to_bytes
from flatfield.lab.photographs import Photographs
from flatfield.lab.scale import Scale
from flatfield.lab.sheet import COLUMNS, GAP, enlarge, sheet

TAKEN = (0, 5, 10)
"""Of the pictures on a sheet: three at fourfold size fit beside their name; more would be squeezed, grids and all."""
GENERATORS = ("gan", "neutral")
"""Families whose pictures have no original: beside them stand photographs that they were trained on."""


@dataclass(frozen=True)
class Strip:
    """An enlarged strip of pictures: whose they are and where it lies."""

    family: str
    variant: str
    file: Path


def save_strips(pictures: Sequence[Path], target: Path, prefix: str) -> Iterator[Strip]:
    """Cut a strip out of every sheet, whose name is family, variant, seed and what it shows, between dots."""
    cells = Counter(picture.name.rpartition(".")[0].rpartition(".")[0] for picture in pictures)
    for picture in pictures:
        cell, _, name = picture.name.removesuffix(".png").rpartition(".")
        family, variant, _ = cell.split(".")
        # one sheet of a network needs no name beside the network's
        label = variant if cells[cell] == 1 else f"{variant}, {name}"
        file = target / f"{prefix}-{family}-{label.replace(', ', '-')}.png"
        with Image.open(picture) as image:
            enlarge(strip(np.asarray(image.convert("RGB"))), file)
        yield Strip(family, label, file)


def save_originals(family: str, photographs: Photographs, scale: Scale, count: int, target: Path, prefix: str) -> Strip:
    """Enlarge the originals of the same places, or photographs for a family that has none."""
    generator = family in GENERATORS
    scenes = photographs.training if generator else photographs.held_out
    originals = to_bytes(tiled(scenes, scale.patch, scale.held_out)[:count])
    strip_of = Strip(family, "photographs" if generator else "originals", target / f"{prefix}-{family}-originals.png")
    enlarge(strip(sheet(originals)), strip_of.file)
    return strip_of


def strip(page: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Take a few pictures out of a sheet, side by side.

    >>> strip(sheet(np.zeros((16, 32, 32, 3), dtype=np.uint8))).shape
    (32, 100, 3)
    """
    size = (page.shape[1] + GAP) // COLUMNS
    places = [divmod(i, COLUMNS) for i in TAKEN]
    chosen = [page[top * size :, left * size :][: size - GAP, : size - GAP] for top, left in places]
    return sheet(np.stack([picture for picture in chosen if picture.shape[:2] == chosen[0].shape[:2]]))
