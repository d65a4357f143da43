"""Divisible: the unevenness of all-equal weights for every kernel and stride; 0 exactly where s divides k."""

from __future__ import annotations

import altair as alt
import numpy as np

from flatfield.core import overlap, unevenness
from flatfield.figures.drawable import Drawable
from flatfield.figures.rows import Rows, clean, named


def divisible_rows(kernels: int = 9, strides: int = 4, *, dims: int = 2) -> Rows:
    """Give the unevenness of a kernel of ones, for kernels from 2 and strides from 2 on, kernel at least stride.

    >>> [row["unevenness"] for row in divisible_rows(4, 2, dims=1)]
    [0.0, 0.316227766, 0.0]
    """
    return [
        {"kernel": k, "stride": s, "unevenness": clean(value), "label": f"{value:.2f}" if value > 1e-9 else "0"}
        for s in range(2, strides + 1)
        for k in range(s, kernels + 1)
        for value in [unevenness(np.asarray(overlap((k,) * dims, s), dtype=np.float64)[..., None, None])]
    ]


def divisible(rows: Rows) -> Drawable:
    """Draw the table, a row a stride."""
    base = alt.Chart(named("cells", rows)).encode(
        x=alt.X("kernel:O", axis=alt.Axis(title="kernel", labelAngle=0, ticks=False, domain=False)),
        y=alt.Y("stride:O", axis=alt.Axis(title="stride", ticks=False, domain=False)),
    )
    cells = base.mark_rect().encode(
        color=alt.Color("unevenness:Q", legend=None), tooltip=["kernel:O", "stride:O", "unevenness:Q"]
    )
    return alt.layer(cells, base.mark_text(fontSize=11).encode(text="label:N")).properties(
        width=alt.Step(34), height=alt.Step(30), description="Unevenness of all-equal weights by kernel and stride."
    )
