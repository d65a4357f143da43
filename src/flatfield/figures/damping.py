"""Damping: what a stride-1 layer of equal weights behind a stack leaves of its grid, by kernel size."""

from __future__ import annotations

import altair as alt
import numpy as np
import numpy.typing as npt

from flatfield.core import unevenness
from flatfield.figures.drawable import Drawable
from flatfield.figures.rows import Rows, clean, named


def damping_rows(profile: npt.NDArray[np.floating], kernels: range = range(1, 10)) -> Rows:
    """Give the unevenness of a periodic profile behind a box of each size, wrapped round.

    >>> rows = damping_rows(np.array([2.0, 1.0]), range(1, 4))
    >>> [round(row["unevenness"], 3) for row in rows]
    [0.316, 0.0, 0.11]
    """
    rows: Rows = []
    for k in kernels:
        shifted = [np.roll(profile, -t) for t in range(k)]
        left = unevenness(np.mean(shifted, axis=0)[:, None, None])
        rows.append({"kernel": k, "unevenness": clean(left) if left > 1e-12 else 0.0, "label": f"{left:.2f}"})
    return rows


def damping(rows: Rows) -> Drawable:
    """Draw one bar a kernel; size 1 is no layer at all."""
    base = alt.Chart(named("bars", rows)).encode(
        x=alt.X("kernel:O", axis=alt.Axis(title="kernel of the last layer", labelAngle=0)),
        y=alt.Y("unevenness:Q", axis=alt.Axis(title="unevenness left", tickCount=4)),
        tooltip=["kernel:O", alt.Tooltip("unevenness:Q", format=".4f")],
    )
    return alt.layer(base.mark_bar(), base.mark_text(dy=-7, fontSize=11).encode(text="label:N")).properties(
        width="container", height=170, description="Unevenness left behind a last layer, by its kernel."
    )
