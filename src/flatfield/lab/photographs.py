"""Photographs: those that scikit-image's package carries, or a folder of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

Picture = npt.NDArray[np.uint8]

TRAINING = ("astronaut.png", "ihc.png", "motorcycle_left.png", "motorcycle_right.png")
HELD_OUT = ("chelsea.png", "coffee.png")
TEXTURES = ("brick.png", "grass.png", "gravel.png")
ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")
JPEG_BLOCK = 8
SHRINK = 2
"""Photographs are averaged 2 x 2 first: a camera's colour mosaic is a lattice of period 2 and must not be learnt."""


@dataclass(frozen=True)
class Photographs:
    """Pictures (height, width, 3), 8 bits a channel; training and held-out ones show different scenes."""

    source: str
    training: tuple[Picture, ...]
    held_out: tuple[Picture, ...]


def bundled() -> Photographs:
    """Load the lossless colour photographs inside the scikit-image package; nothing is downloaded.

    Raises `ValueError` where scikit-image is not installed.

    >>> photographs = bundled()
    >>> [picture.shape for picture in photographs.held_out]
    [(150, 225, 3), (200, 300, 3)]
    """
    return Photographs(
        "scikit-image", *(tuple(bundled_picture(name) for name in part) for part in (TRAINING, HELD_OUT))
    )


def bundled_picture(name: str) -> Picture:
    """Load one picture of the scikit-image package, halved; grey ones get three equal channels.

    >>> bundled_picture("brick.png").shape
    (256, 256, 3)
    """
    spec = find_spec("skimage")
    if spec is None or spec.origin is None:
        raise ValueError("the photographs are scikit-image's, which is not installed: pip install 'flatfield[lab]'")
    return halved(read_picture(Path(spec.origin).parent / "data" / name))


def folder(path: Path, held_out: float = 0.25) -> Photographs:
    """Load every picture below `path`, shrunk as `shrink_of` says; every fourth (by name) is held out.

    `ValueError` for a folder with fewer than two pictures. Formats: PNG, JPEG, WebP, TIFF, BMP.
    """
    files = sorted(file for file in path.rglob("*") if file.suffix.lower() in ENDINGS)
    if len(files) < 2:
        raise ValueError(f"{path} holds {len(files)} pictures: two or more are needed, one of them to be held out")
    pictures = [halved(read_picture(file), shrink_of(file)) for file in files]
    every = max(2, round(1 / held_out))
    apart = [i for i in range(len(pictures)) if i % every == every - 1] or [len(pictures) - 1]
    training = tuple(picture for i, picture in enumerate(pictures) if i not in apart)
    return Photographs(str(path), training, tuple(pictures[i] for i in apart))


def shrink_of(path: Path) -> int:
    """Say by how much a picture is shrunk: 2, but 8 for JPEG, whose blocks are a lattice of period 8.

    >>> shrink_of(Path("a.png")), shrink_of(Path("a.JPG"))
    (2, 8)
    """
    return JPEG_BLOCK if path.suffix.lower() in (".jpg", ".jpeg") else SHRINK


def read_picture(path: Path) -> Picture:
    """Read a picture as (height, width, 3); `ValueError` names a file that is none."""
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path} can't be read as a picture: {error}") from None


def halved(picture: Picture, factor: int = SHRINK) -> Picture:
    """Average squares of `factor` pixels.

    >>> halved(np.array([[[0], [2]], [[4], [6]]], dtype=np.uint8)).tolist()
    [[[3]]]
    """
    height, width = (n // factor for n in picture.shape[:2])
    cut = picture[: height * factor, : width * factor].astype(np.float64)
    squares = cut.reshape(height, factor, width, factor, -1)
    return np.asarray(squares.mean(axis=(1, 3)).round(), dtype=np.uint8)


def check_room(pictures: Sequence[Picture], size: int) -> None:
    """Raise `ValueError` for a picture in which no patch of `size` fits."""
    for picture in pictures:
        if min(picture.shape[:2]) < size:
            raise ValueError(
                f"a picture of {picture.shape[1]} x {picture.shape[0]} (shrunk) has no patch of {size} x {size}"
            )
