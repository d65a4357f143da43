"""Draw `before-after.png`, the picture of the README: `python docs/before_after.py`.

Left, what the example network `deconv` makes of a flat field; right, `resize`, the same network with its
deconvolutions replaced by resize-convolutions. Pixels as they come out of the networks, -1 black and 1 white, nothing
stretched.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from flatfield.checking import check

PICTURE = Path(__file__).with_name("before-after.png")
_SIDE = 40  # pixels of the output that are shown
_TIMES = 9  # magnified
_GAP = 24


def output_of(name: str) -> npt.NDArray[np.uint8]:
    """The output (side, side, 3) of an example network on a flat field: its period, repeated."""
    probe = check(f"example:{name}").probe
    assert probe is not None
    tile = np.array(probe.tile).reshape(probe.tile_shape)
    levels = np.rint(np.clip(127.5 * (tile + 1.0), 0, 255)).astype(np.uint8)
    times = [1, *(-(-_SIDE // side) for side in tile.shape[1:])]
    return np.moveaxis(np.tile(levels, times)[:, :_SIDE, :_SIDE], 0, -1)


def picture() -> npt.NDArray[np.uint8]:
    """Both side by side, magnified, on transparent ground."""
    before, after = (np.kron(output_of(name), np.ones((_TIMES, _TIMES, 1), np.uint8)) for name in ("deconv", "resize"))
    parts = [np.dstack([part, np.full(part.shape[:2], 255, np.uint8)]) for part in (before, after)]
    return np.hstack([parts[0], np.zeros((len(before), _GAP, 4), np.uint8), parts[1]])


if __name__ == "__main__":
    Image.fromarray(picture()).save(PICTURE, optimize=True)
