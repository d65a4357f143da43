"""A sheet of small pictures of every chart, kept beside this file: `python tests/figures/sheet.py` draws it again."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from flatfield.figures.export import to_png
from flatfield.figures.style import DARK, LIGHT
from flatfield.learn.charts import charts

KEPT = Path(__file__).with_name("sheet.png")
WIDTH, HEIGHT = 120, 72


def thumbnails() -> dict[str, npt.NDArray[np.float64]]:
    """Every chart in grey, light and dark, squeezed to one size: shapes count, letters do not."""
    found = {}
    for name, chart in charts().items():
        for look, palette in (("light", LIGHT), ("dark", DARK)):
            picture = Image.open(io.BytesIO(to_png(chart, palette=palette, scale=1.0))).convert("L")
            small = picture.resize((WIDTH, HEIGHT), Image.Resampling.BOX)
            found[f"{name}, {look}"] = np.asarray(small, dtype=np.float64)
    return found


def kept() -> list[npt.NDArray[np.float64]]:
    """The small pictures of the sheet, in the order of `thumbnails`: a row a chart, light and dark."""
    sheet = np.asarray(Image.open(KEPT), dtype=np.float64)
    return [
        sheet[y : y + HEIGHT, x : x + WIDTH]
        for y in range(0, sheet.shape[0], HEIGHT)
        for x in range(0, sheet.shape[1], WIDTH)
    ]


def draw() -> None:
    """Write the sheet; look at it before you commit it."""
    pictures = list(thumbnails().values())
    rows = [np.hstack(pictures[i : i + 2]) for i in range(0, len(pictures), 2)]
    Image.fromarray(np.vstack(rows).round().astype(np.uint8)).save(KEPT, optimize=True)


if __name__ == "__main__":
    draw()
