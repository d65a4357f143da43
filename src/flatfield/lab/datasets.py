"""Data sets: pictures by name, from Debian's packages where they are installed, or from a folder."""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from flatfield.lab.draw import seed_of
from flatfield.lab.photographs import Photographs, Picture, bundled, folder

MATE = Path("/usr/share/backgrounds/mate/nature")
"""The photographs of Debian's mate-backgrounds; its other folders hold drawings."""
FASHION = Path("/usr/share/datasets/fashion-mnist")
"""Debian's dataset-fashion-mnist: gzipped IDX files of 28 x 28 grey pictures of clothes."""
ARTICLE, CELL, SIDE = 28, 36, 4
SHEETS, HELD_OUT_SHEETS = 250, 50
IDX_BYTES_3 = 0x00000803


def photographs_of(data: str | None) -> Photographs:
    """Load what `--data` names: a data set of this file, any folder of pictures, or scikit-image's (None).

    Raises `ValueError` that says what to install, or what is wrong with a folder.

    >>> photographs_of(None).source
    'scikit-image'
    """
    if data is None:
        return bundled()
    if data in SETS:
        return SETS[data]()
    if not Path(data).is_dir():
        raise ValueError(f"there is no folder {data}; --data takes a folder, {' or '.join(SETS)}")
    return folder(Path(data))


def mate_backgrounds(place: Path = MATE) -> Photographs:
    """Load the photographs of Debian's mate-backgrounds; every fourth by name is held out."""
    _installed(place, "mate-backgrounds")
    return replace(folder(place), source="mate-backgrounds")


def fashion_mnist(place: Path = FASHION) -> Photographs:
    """Lay 4,000 training and 800 test articles of Fashion-MNIST out on sheets of 4 x 4, at random places.

    A picture of its own for each article would have a phase: they are all centred. Here each lies 0 to 7 pixels from
    the corner of its cell along either axis, every phase of periods 2, 4 and 8 alike. Sheets are 144 pixels wide.
    """
    _installed(place, "dataset-fashion-mnist")
    training, held_out = (
        sheets(read_idx(place / f"{part}-images-idx3-ubyte.gz"), count, part)
        for part, count in (("train", SHEETS), ("t10k", HELD_OUT_SHEETS))
    )
    return Photographs("fashion-mnist", training, held_out)


SETS: dict[str, Callable[[], Photographs]] = {"mate-backgrounds": mate_backgrounds, "fashion-mnist": fashion_mnist}
"""The data sets that `--data` knows by name."""


def read_idx(path: Path) -> npt.NDArray[np.uint8]:
    """Read a gzipped IDX file of bytes in three dimensions; `ValueError` names a file that is none."""
    try:
        content = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path} can't be read: {error}") from None
    magic, *shape = struct.unpack(">4I", content[:16]) if len(content) >= 16 else (0,)
    if magic != IDX_BYTES_3 or len(content) != 16 + int(np.prod(shape)):
        raise ValueError(f"{path} is no IDX file of bytes in three dimensions")
    return np.frombuffer(content, dtype=np.uint8, offset=16).reshape(shape)


def sheets(articles: npt.NDArray[np.uint8], count: int, name: str = "") -> tuple[Picture, ...]:
    """Lay articles (n, 28, 28) out on at most `count` black sheets (144, 144, 3), the first sixteen on the first.

    >>> [sheet.shape for sheet in sheets(np.ones((32, 28, 28), dtype=np.uint8), 9)]
    [(144, 144, 3), (144, 144, 3)]
    """
    each = SIDE * SIDE
    random = np.random.default_rng(seed_of("sheets", name))
    laid = []
    for start in range(0, min(count, len(articles) // each) * each, each):
        page = np.zeros((SIDE * CELL, SIDE * CELL), dtype=np.uint8)
        for i, article in enumerate(articles[start : start + each]):
            down, right = random.integers(CELL - ARTICLE, size=2)
            top, left = (i // SIDE) * CELL + down, (i % SIDE) * CELL + right
            page[top : top + ARTICLE, left : left + ARTICLE] = article
        laid.append(np.repeat(page[:, :, None], 3, axis=2))
    return tuple(laid)


def _installed(place: Path, package: str) -> None:
    if not place.is_dir():
        raise ValueError(f"{place} is not there: apt install {package}")
