"""Contributions: what arrives at each output, stacked input by input."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import numpy as np
import numpy.typing as npt

from flatfield.figures.drawable import Drawable
from flatfield.figures.rows import Rows, clean, named
from flatfield.figures.style import LIT


def contribution_rows(
    matrix: npt.NDArray[np.floating], inputs: Sequence[float], *, stride: int, padding: int = 0
) -> Rows:
    """Give one row for each product of a weight and an input that arrives at an output.

    Outputs belong to phase `(m + padding) mod stride` (design, section 3). An output that nothing reaches
    has a row of 0.

    >>> rows = contribution_rows(np.array([[1.0, 0.0], [2.0, 1.0]]), [1, 1], stride=2)
    >>> [(row["output"], row["value"]) for row in rows]
    [(0, 1.0), (1, 2.0), (1, 1.0)]
    """
    rows: Rows = []
    fed = np.asarray(inputs, dtype=np.float64)
    for m, taps in enumerate(matrix):
        phase = str((m + padding) % stride)
        reached = np.flatnonzero(taps)
        parts = [(int(n), clean(taps[n] * fed[n])) for n in reached] or [(-1, 0.0)]
        rows += [{"output": m, "input": n, "value": value, "phase": phase} for n, value in parts]
    return rows


def contributions(rows: Rows) -> Drawable:
    """Draw the stacks, coloured by phase, with the sum as a mark."""
    base = alt.Chart(named("parts", rows)).encode(
        x=alt.X("output:O", axis=alt.Axis(title="output position", labelAngle=0, labelOverlap=True))
    )
    stacks = base.mark_bar(strokeWidth=1.2).encode(
        y=alt.Y("value:Q", stack=True, axis=alt.Axis(title="what arrives", tickCount=4)),
        color=alt.Color("phase:N", legend=alt.Legend(title="phase", orient="top")),
        order="input:Q",
        tooltip=["output:Q", "input:Q", "value:Q", "phase:N"],
    )
    sums = base.mark_tick(thickness=2.5, color=LIT).encode(
        y=alt.Y("sum(value):Q"), tooltip=[alt.Tooltip("sum(value):Q", title="output")]
    )
    return alt.layer(stacks, sums).properties(
        width="container",
        height=190,
        description="Stacked bars: what each input contributes to each output position, coloured by phase.",
    )
