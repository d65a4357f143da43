"""Bands of a decoded picture: of a large one only these leave the decoder's memory, and many become one array."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from flatfield.measure.plan import chosen
from flatfield.measure.strips import STRIP, Strips, trimmed

if TYPE_CHECKING:
    from PIL.Image import Image

Bands = tuple[bytes, ...]  # pixels of one strip each, as they lay in the picture


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
    """Copy `most` strips along each axis out of a picture (L or RGB); it is decoded first where it isn't yet.

    Pillow's own packing of the boxes, without an object between: `Image.crop` and numpy take ten times as long, as much
    as an eighth of the decoding.
    """
    from PIL.Image import core  # type: ignore[attr-defined]  # noqa: PLC0415

    image.load()
    bands = []
    for axis in (-1, -2):
        for box in boxes(*image.size, axis, most):
            encoder = core.raw_encoder(image.mode, image.mode)
            encoder.setimage(image.im, box)
            bands.append(encoder.encode((box[2] - box[0]) * (box[3] - box[1]) * len(image.mode))[2])
    return tuple(bands[: len(bands) // 2]), tuple(bands[len(bands) // 2 :])


def strips_of_bands(bands: list[Bands], size: tuple[int, int, int], axis: int, most: int) -> Strips:
    """Put the bands along one axis of pictures of one size (channels, height, width) together."""
    places = boxes(size[2], size[1], axis, most)
    wide, high = places[0][2] - places[0][0], places[0][3] - places[0][1]
    values = np.frombuffer(b"".join(band for picture in bands for band in picture), dtype=np.uint8)
    values = values.reshape(len(bands), len(places), high, wide, size[0])
    values = values.transpose(0, 4, 1, 2, 3) if axis == -1 else values.transpose(0, 4, 1, 3, 2)
    starts = [box[1] if axis == -1 else box[0] for box in places]
    return Strips(axis, values, np.array(starts)[:, None] + np.arange(STRIP))
