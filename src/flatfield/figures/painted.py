"""Painted: kernels set down one after another, on a line or a plane, and how often each place was painted."""

from __future__ import annotations

import itertools

import altair as alt
import numpy as np

from flatfield.core import TransposedConvolution, Window
from flatfield.figures.drawable import Drawable
from flatfield.figures.rows import Rows, clean, named
from flatfield.figures.style import LIT


def painted_rows(kernel: int, stride: int, *, side: int, painted: int | None = None) -> Rows:
    """Give how many of the first `painted` inputs (all without it) of a side x side plane reach each output.

    >>> sorted({row["count"] for row in painted_rows(3, 2, side=3)})
    [1.0, 2.0, 4.0]
    """
    layer = TransposedConvolution(np.ones((1, 1, kernel, kernel)), Window(2, stride=stride))
    fed = np.zeros(side * side)
    fed[:painted] = 1.0
    size = layer.output_size((side, side))
    counts = (layer.as_matrix((side, side)) @ fed).reshape(size)
    brush = _brush(painted or side * side, kernel, stride, side)
    return [
        {"x": x, "y": y, "count": clean(counts[y, x]), "label": f"{counts[y, x]:.0f}", "lit": (y, x) in brush}
        for y, x in np.ndindex(*size)
    ]


def painted_line_rows(kernel: int, stride: int, *, side: int, painted: int | None = None) -> Rows:
    """Give the same on a line of `side` inputs: one row of cells.

    >>> [row["label"] for row in painted_line_rows(3, 2, side=3)]
    ['1', '1', '2', '1', '2', '1', '1']
    """
    done = side if painted is None else min(painted, side)
    layer = TransposedConvolution(np.ones((1, 1, kernel)), Window(1, stride=stride))
    counts = layer.as_matrix((side,)) @ (np.arange(side) < done)
    start = (done - 1) * stride
    return [
        {"x": x, "y": 0, "count": clean(n), "label": f"{n:.0f}", "lit": start <= x < start + kernel}
        for x, n in enumerate(counts)
    ]


def _brush(painted: int, kernel: int, stride: int, side: int) -> set[tuple[int, int]]:
    row, column = divmod(painted - 1, side)
    return {(row * stride + a, column * stride + b) for a, b in itertools.product(range(kernel), repeat=2)}


def painted(rows: Rows, *, step: int = 22) -> Drawable:
    """Draw the counts; the place of the brush is framed."""
    base = alt.Chart(named("cells", rows)).encode(x=alt.X("x:O", axis=None), y=alt.Y("y:O", axis=None))
    cells = base.mark_rect(strokeWidth=1).encode(
        color=alt.Color("count:Q", legend=None, scale=alt.Scale(domainMin=0)), tooltip=["y:O", "x:O", "count:Q"]
    )
    frames = base.mark_rect(fill=None, stroke=LIT, strokeWidth=1.6).encode(
        opacity=alt.when("datum.lit").then(alt.value(1)).otherwise(alt.value(0))
    )
    text = base.mark_text(fontSize=10).encode(
        text="label:N", opacity=alt.when("datum.count > 0").then(alt.value(1)).otherwise(alt.value(0.35))
    )
    return alt.layer(cells, frames, text).properties(
        width=alt.Step(step), height=alt.Step(step), description="How many inputs have painted each output position."
    )
