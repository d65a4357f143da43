"""Exhibit: one measured picture made ready to be looked at: small, with the map of its grid and a close-up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flatfield.measure.heatmap import strength_map
from flatfield.measure.media import BATCHES, read_batch, read_picture
from flatfield.measure.row import Row, Settings
from flatfield.measure.rows import reason

SIDE = 256  # pixels that the longer side of what is shown has at most
LOOKED_AT = 512  # pixels each way that are mapped of a large picture, from its middle
WINDOW = 32  # of the map
CLOSE = 48  # pixels each way of a close-up; three of the longest period where that is more

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class View:
    """What is shown of a picture: `picture` and `closeup` (h, w) or (h, w, 3) in grey levels or colours; `heat`
    (h, w), the rms of the lattice around each place in grey levels, `peak` its largest value before it was made
    small; `frame`: top, left, height and width of the close-up, as shares of the picture; `part`: true where only the
    middle of the picture was looked at."""

    picture: Bytes
    heat: NDArray[np.float32]
    closeup: Bytes
    peak: float
    frame: tuple[float, float, float, float]
    part: bool


@dataclass(frozen=True)
class Exhibit:
    """A row and its view, mapped at `periods`; or `trouble`: why the picture could not be shown."""

    row: Row
    view: View | None
    periods: tuple[int, ...] = ()
    trouble: str = ""


def exhibit(row: Row, settings: Settings) -> Exhibit:
    """Read the picture of a row again and make it ready; of a batch its first picture.

    What can't be read any more is told in `trouble`; nothing is raised for it.
    """
    periods = row.periods or likeliest(row, settings)
    try:
        return Exhibit(row, view_of(pixels_of(row.file, settings.limit), periods), periods)
    except (ValueError, OSError, MemoryError) as error:
        return Exhibit(row, None, trouble=reason(error))


def likeliest(row: Row, settings: Settings) -> tuple[int, ...]:
    """Give the period that a picture without a grid comes nearest to; all asked for where none could be tested.

    >>> likeliest(Row("a.png", p_values=(0.5, None, 0.1)), Settings(periods=(2, 3, 4)))
    (4,)
    """
    tested = [(p, period) for p, period in zip(row.p_values, settings.periods, strict=False) if p is not None]
    return (min(tested)[1],) if tested else settings.periods


def pixels_of(file: str, limit: int) -> NDArray[np.generic]:
    """Read the picture (C, H, W) that stands for a file, in grey levels 0..255; of a batch the first."""
    if file.lower().endswith(BATCHES):
        piece = next(read_batch(file)).pixels
        assert piece is not None  # a batch is never read as strips
        return np.asarray(piece[0])
    pixels = read_picture(file, limit).pixels
    assert pixels is not None  # read without strips
    return pixels


def view_of(pixels: NDArray[np.generic], periods: tuple[int, ...]) -> View:
    """Map a picture (C, H, W), and make it small; the close-up is taken where the map is strongest.

    >>> picture = np.full((1, 64, 64), 100.0)
    >>> picture[:, :, 32:] += 2 * (-1.0) ** np.arange(32)
    >>> view = view_of(picture, (2,))
    >>> round(view.peak, 1), view.frame[1] >= 0.25, view.closeup.shape
    (1.9, True, (48, 48))
    """
    inner = middle(pixels, LOOKED_AT)
    heat = strength_map(inner, periods, min(WINDOW, *inner.shape[-2:]))
    near = min(max(CLOSE, 3 * max(periods)), *heat.shape)
    at = np.unravel_index(int(heat.argmax()), heat.shape)
    top, left = (
        int(np.clip(middle_of - near // 2, 0, side - near)) for middle_of, side in zip(at, heat.shape, strict=True)
    )
    shown = drawn(inner)
    return View(
        picture=smaller(shown).round().astype(np.uint8),
        heat=smaller(heat).astype(np.float32),
        closeup=shown[top : top + near, left : left + near],
        peak=float(heat.max()),
        frame=(top / heat.shape[0], left / heat.shape[1], near / heat.shape[0], near / heat.shape[1]),
        part=inner.shape != pixels.shape,
    )


def middle(pixels: NDArray[np.generic], most: int) -> NDArray[np.generic]:
    """Cut the middle out of a picture (..., H, W), at most `most` pixels each way.

    >>> middle(np.zeros((3, 10, 4)), 6).shape
    (3, 6, 4)
    """
    starts = [max(0, (side - most) // 2) for side in pixels.shape[-2:]]
    return pixels[..., starts[0] : starts[0] + most, starts[1] : starts[1] + most]


def drawn(pixels: NDArray[np.generic]) -> Bytes:
    """Turn a picture (C, H, W) into bytes: colours (H, W, 3) of three channels or more, else their mean in grey."""
    levels = np.clip(np.rint(pixels.astype(np.float32)), 0, 255).astype(np.uint8)
    if len(levels) in (3, 4):  # the fourth is transparency
        return np.moveaxis(levels[:3], 0, -1)
    return np.asarray(levels[0] if len(levels) == 1 else np.rint(levels.mean(axis=0)).astype(np.uint8))


def smaller(plane: NDArray[np.generic], most: int = SIDE) -> NDArray[np.float64]:
    """Average (H, W, ...) over squares, so that no side is longer than `most`; leaving pixels out would draw grids.

    >>> smaller(np.arange(8.0).reshape(2, 4), most=2)
    array([[2.5, 4.5]])
    """
    step = -(-max(plane.shape[:2]) // most)
    height, width = (side // step for side in plane.shape[:2])
    if step == 1 or min(height, width) == 0:
        return plane.astype(np.float64)
    cut = plane[: height * step, : width * step].astype(np.float64)
    return np.asarray(cut.reshape(height, step, width, step, *plane.shape[2:]).mean(axis=(1, 3)))
