"""Strengths: the distribution of how strong the grids of many files are, those with a grid told from the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import altair as alt

from flatfield.figures.drawable import Drawable
from flatfield.figures.rows import Rows, named

if TYPE_CHECKING:
    from flatfield.measure.results import Bin

_KINDS = ("none found", "with a grid")

_LEAST, _MOST = 1 / 32, 16.0  # grey levels that are always on the axis, so that pages can be laid side by side


def strength_rows(bins: Sequence[Bin]) -> Rows:
    """Give one row a bin and kind, stacked: files without a grid below, those with one on top.

    >>> from flatfield.measure.results import Bin
    >>> [(row["kind"], row["from"], row["to"]) for row in strength_rows([Bin(0.5, 0.7, 2, 3)])]
    [('none found', 0, 3), ('with a grid', 3, 5)]
    """
    rows: Rows = []
    for one in bins:
        edges = ((0, one.without), (one.without, one.without + one.with_grid))
        rows += [
            {"low": one.low, "high": one.high, "kind": kind, "from": low, "to": high, "files": high - low}
            for kind, (low, high) in zip(_KINDS, edges, strict=True)
        ]
    return rows


def strengths(rows: Rows, *, unit: str = "grey levels", logarithmic: bool = True) -> Drawable:
    """Draw the distribution; a scale that doubles step by step is told from one that adds."""
    low, high = min(row["low"] for row in rows), max(row["high"] for row in rows)
    if logarithmic:
        low, high = min(low, _LEAST), max(high, _MOST)
        scale = alt.Scale(type="log", base=2, nice=False, domain=[low, high])
        ticks: dict[str, Any] = {"values": [2.0**n for n in range(-5, 9) if low <= 2.0**n <= high], "format": ".2~r"}
    else:
        scale, ticks = alt.Scale(nice=False, domain=[min(low, -90), max(high, 0)]), {"tickCount": 9}
    tall = alt.Scale(domain=[0, max(4, *(row["to"] for row in rows))])  # files are whole, and so are the ticks
    kinds = alt.Scale(domain=list(_KINDS))
    chart: Drawable = (
        alt.Chart(named("bins", rows))
        .mark_rect(strokeWidth=0.8)
        .encode(
            x=alt.X("low:Q", scale=scale, axis=alt.Axis(title=f"strength, {unit}", grid=False, **ticks)),
            x2="high:Q",
            y=alt.Y("from:Q", scale=tall, axis=alt.Axis(title="files", tickCount=4)),
            y2="to:Q",
            color=alt.Color("kind:N", scale=kinds, legend=alt.Legend(title=None, orient="top")),
            tooltip=["kind:N", "low:Q", "high:Q", "files:Q"],
        )
        .properties(width="container", height=200, description=f"How many files have which strength in {unit}.")
    )
    return chart
