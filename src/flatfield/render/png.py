r"""PNG: a plane of numbers from 0 to 255 as a picture, so that a report needs no imaging library (ISO/IEC 15948)."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np
import numpy.typing as npt

_GREY, _COLOUR = 0, 2  # colour types of the standard


def png(pixels: npt.NDArray[np.uint8]) -> bytes:
    r"""Write pixels, (height, width) in grey or (height, width, 3) in colour, as PNG.

    >>> png(np.zeros((2, 2), np.uint8))[:4]
    b'\x89PNG'
    """
    height, width = pixels.shape[:2]
    kind = _COLOUR if pixels.ndim == 3 else _GREY
    header = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    lines = b"".join(b"\0" + row.tobytes() for row in pixels)
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(lines)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_address(pixels: npt.NDArray[np.uint8]) -> str:
    """Give the picture as an address that holds it.

    >>> png_address(np.zeros((1, 1), np.uint8))[:30]
    'data:image/png;base64,iVBORw0K'
    """
    return "data:image/png;base64," + base64.b64encode(png(pixels)).decode("ascii")
