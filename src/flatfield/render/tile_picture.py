"""The grid itself, magnified: one period of the probe's output as a picture, by the standard library alone."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import numpy.typing as npt

from flatfield.report import ProbeReport

_SIDE = 256  # pixels that the longer side of a picture has at least
_REPEATS = 4  # periods along each axis: a grid is seen by its repetition


def tile_picture(probe: ProbeReport) -> bytes:
    """Give the tile of a probe as a PNG file: several periods, the smallest number black and the largest white.

    Three channels are red, green and blue; of any other number the one with the strongest grid is shown in grey. Sound
    is a band, of a volume the first slice is shown. Empty where the report lists no tile.

    >>> tile_picture(ProbeReport(0.5, 1.0, (2,), tile=(0.0, 1.0), tile_shape=(1, 2)))[:4]
    b'\\x89PNG'
    """
    if not probe.tile:
        return b""
    levels = _levels(np.array(probe.tile).reshape(probe.tile_shape))
    levels = np.tile(levels, (_REPEATS, _REPEATS, 1))
    times = max(1, -(-_SIDE // max(levels.shape[:2])))
    return _png(levels.repeat(times, 0).repeat(times, 1))


def _levels(tile: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """(height, width, 1 or 3) in 0 .. 255; a flat tile is grey."""
    tile = tile[:, None, :] if tile.ndim == 2 else tile
    while tile.ndim > 3:
        tile = tile[:, 0]
    if len(tile) != 3:
        strongest = int(np.argmax(np.ptp(tile.reshape(len(tile), -1), axis=1)))
        tile = tile[strongest : strongest + 1]
    low, high = float(tile.min()), float(tile.max())
    scaled = (tile - low) / (high - low) if high > low else np.full_like(tile, 0.5)
    return np.asarray(np.moveaxis(np.rint(255 * scaled).astype(np.uint8), 0, -1))


def _png(levels: npt.NDArray[np.uint8]) -> bytes:
    """PNG (ISO/IEC 15948): eight bits a sample, no filter."""
    height, width, channels = levels.shape
    rows = b"".join(b"\x00" + row.tobytes() for row in levels)
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if channels == 3 else 0, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b"")]
    chunks = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
