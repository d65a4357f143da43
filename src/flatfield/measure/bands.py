"""Bands of a decoded picture: of a large one only these leave the decoder's memory, and many become one array."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from flatfield.measure.plan import chosen
from flatfield.measure.strips import STRIP, Strips, trimmed

if TYPE_CHECKING:
    from PIL.Image import Image

Bands = tuple[Any, ...]  # of Pillow's own pictures without a Python object round them


@lru_cache(maxsize=256)
def boxes(width: int, height: int, axis: int, most: int) -> tuple[tuple[int, int, int, int], ...]:
    """List the boxes (left, top, right, bottom) of `most` strips along an axis (-1 or -2), as `cut` lays them.

    >>> boxes(512, 32, -1, 2)
    ((0, 8, 505, 16), (0, 24, 505, 32))
    """
    long, short = (width, height) if axis == -1 else (height, width)
    length, starts = trimmed(long), [int(s) * STRIP for s in chosen(short // STRIP, most)]
    if axis == -1:
        return tuple((0, at, length, at + STRIP) for at in starts)
    return tuple((at, 0, at + STRIP, length) for at in starts)


def bands_of(image: Image, most: int) -> tuple[Bands, Bands]:
    """Copy `most` strips along each axis out of a picture; it is decoded first where it isn't yet.

    `Image.crop` and numpy would do, at ten times the cost: as much as an eighth of the decoding.
    """
    image.load()
    across, down = (tuple(image.im.crop(box) for box in boxes(*image.size, axis, most)) for axis in (-1, -2))
    return across, down


def strips_of_bands(bands: list[Bands], mode: str, size: tuple[int, int], axis: int, most: int) -> Strips:
    """Put the bands along one axis of pictures of one mode and size (width, height) together."""
    from PIL import Image  # noqa: PLC0415

    places = boxes(*size, axis, most)
    wide, high = places[0][2] - places[0][0], places[0][3] - places[0][1]
    sheet = Image.new(mode, (wide, high * len(places) * len(bands)))
    for at, band in enumerate(band for picture in bands for band in picture):
        sheet.im.paste(band, (0, at * high, wide, (at + 1) * high))
    values = np.asarray(sheet).reshape(len(bands), len(places), high, wide, -1)
    values = values.transpose(0, 4, 1, 2, 3) if axis == -1 else values.transpose(0, 4, 1, 3, 2)
    starts = [box[1] if axis == -1 else box[0] for box in places]
    return Strips(axis, values, np.array(starts)[:, None] + np.arange(STRIP))
