"""Plant lattices of known period and strength: the truth the statistic is held to."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

AXES = ("both", "columns", "rows")
KINDS = ("multiplicative", "additive")


def wave(period: int, length: int) -> NDArray[np.float64]:
    """Make a zero-mean wave that is high for half of every period and low for the rest, of rms 1 over whole periods.

    >>> wave(4, 6)
    array([ 1.,  1., -1., -1.,  1.,  1.])
    """
    tile = np.where(np.arange(period) < period / 2, 1.0, -1.0)
    tile -= tile.mean()
    return np.resize(tile / np.sqrt((tile**2).mean()), length)


def plant(
    images: ArrayLike,
    period: int,
    strength: float,
    *,
    kind: str = "multiplicative",
    axes: str = "both",
    channels: tuple[int, ...] | None = None,
) -> NDArray[np.float64]:
    """Add a lattice of `period` pixels to pictures (..., H, W) and give them back as floats, not rounded or clipped.

    `strength`: rms of what is added, in the pictures' units, over each picture and the `channels` chosen (all for
    None). "multiplicative" scales with the picture, as what deconvolution leaves does; "additive" doesn't. `axes`:
    "both", "columns" (it repeats along x) or "rows". Raises ValueError for another kind or axes, or a period below 2.

    >>> plant(np.full((4, 4), 100.0), 2, 1.0, axes="columns")[0]
    array([101.,  99., 101.,  99.])
    """
    if kind not in KINDS or axes not in AXES or period < 2:
        raise ValueError(f"can't plant kind={kind!r}, axes={axes!r}, period={period}: kinds {KINDS}, axes {AXES}")
    pictures = np.asarray(images, dtype=np.float64)
    height, width = pictures.shape[-2:]
    across, down = wave(period, width)[None, :], wave(period, height)[:, None]
    pattern = {"both": (across + down) / np.sqrt(2), "columns": across + 0 * down, "rows": 0 * across + down}[axes]
    added = np.array(pictures * pattern if kind == "multiplicative" else np.broadcast_to(pattern, pictures.shape))
    if channels is not None:
        left = [c for c in range(pictures.shape[-3]) if c not in channels]
        added[..., left, :, :] = 0
    over = tuple(range(-min(pictures.ndim, 3), 0))
    share = 1.0 if channels is None else len(channels) / pictures.shape[-3]
    rms = np.sqrt((added**2).mean(axis=over, keepdims=True) / share)
    return np.asarray(pictures + strength * added / np.maximum(rms, 1e-12))
