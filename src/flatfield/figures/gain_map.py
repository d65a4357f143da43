"""Gain map: the gain of every phase, as a small picture with its numbers."""

from __future__ import annotations

import altair as alt
import numpy as np
import numpy.typing as npt

from flatfield.figures.drawable import Drawable
from flatfield.figures.rows import Rows, clean, named


def gain_rows(gains: npt.NDArray[np.floating]) -> Rows:
    """Give one row a phase for gains of one or two dimensions.

    >>> gain_rows(np.array([2.0, 1.0]))[0]
    {'y': 0, 'x': 0, 'gain': 2.0}
    """
    plane = np.atleast_2d(gains)
    return [{"y": y, "x": x, "gain": clean(plane[y, x])} for y, x in np.ndindex(*plane.shape)]


def gain_map(rows: Rows, *, step: int = 54, across: str = "phase across", down: str = "phase down") -> Drawable:
    """Draw the map; numbers with two digits."""
    base = alt.Chart(named("cells", rows)).encode(
        x=alt.X("x:O", axis=alt.Axis(title=across, labelAngle=0, ticks=False, domain=False)),
        y=alt.Y("y:O", axis=alt.Axis(title=down, ticks=False, domain=False)),
    )
    cells = base.mark_rect().encode(
        color=alt.Color("gain:Q", legend=None, scale=alt.Scale(zero=False)),
        tooltip=["y:O", "x:O", alt.Tooltip("gain:Q", format=".4f")],
    )
    text = base.mark_text().encode(text=alt.Text("gain:Q", format=".2f"))
    return alt.layer(cells, text).properties(
        width=alt.Step(step), height=alt.Step(step), description="The gain of every phase."
    )
