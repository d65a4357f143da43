"""Tile map: one period of a plane, magnified, or the lines of its spectrum; no numbers, for there are many."""

from __future__ import annotations

import altair as alt

from flatfield.figures.drawable import Drawable
from flatfield.figures.rows import Rows, named


def tile_map(rows: Rows, *, what: str = "gain", side: int = 200) -> Drawable:
    """Draw rows of `gain_rows` as a square picture with a scale beside it.

    >>> tile_map([{"y": 0, "x": 0, "gain": 1.0}]).to_dict()["width"]
    200
    """
    chart: Drawable = (
        alt.Chart(named("cells", rows))
        .mark_rect(strokeWidth=0.5)
        .encode(
            x=alt.X("x:O", axis=None),
            y=alt.Y("y:O", axis=None),
            color=alt.Color("gain:Q", scale=alt.Scale(zero=True), legend=alt.Legend(title=what, tickCount=3)),
            tooltip=["y:O", "x:O", alt.Tooltip("gain:Q", title=what, format=".4f")],
        )
        .properties(width=side, height=side, description=f"One period, magnified: {what} at every position.")
    )
    return chart
