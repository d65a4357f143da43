"""Random weights: divisible or not, weights that nobody constrains are uneven."""

from __future__ import annotations

from typing import Any

import altair as alt
import numpy as np

from flatfield.core import phase_gains, unevenness
from flatfield.figures.drawable import Drawable
from flatfield.figures.rows import Rows, clean, named


def random_rows(kernels: range = range(2, 9), *, stride: int = 2, channels: int = 8, draws: int = 60) -> Rows:
    """Give the unevenness in 2-D of equal weights, and the median over random layers, kernel by kernel.

    >>> rows = random_rows(range(3, 5), draws=5)
    >>> [(row["weights"], row["kernel"], round(row["unevenness"], 2)) for row in rows if row["weights"] == "all equal"]
    [('all equal', 3, 0.44), ('all equal', 4, 0.0)]
    """
    random = np.random.default_rng(0)
    rows: Rows = []
    for k in kernels:
        equal = unevenness(phase_gains(np.ones((1, 1, k, k)), stride))
        some = [
            unevenness(phase_gains(random.standard_normal((channels, channels, k, k)), stride)) for _ in range(draws)
        ]
        rows += [
            {"weights": "all equal", "kernel": k, "unevenness": clean(equal)},
            {"weights": "random", "kernel": k, "unevenness": clean(float(np.median(some)))},
        ]
    return rows


def random_weights(rows: Rows) -> Drawable:
    """Draw both lines over the kernel."""
    # an explicit domain, and the legends of colour and shape become one
    weights: dict[str, Any] = {
        "scale": alt.Scale(domain=["all equal", "random"]),
        "legend": alt.Legend(title=None, orient="top"),
    }
    chart: Drawable = (
        alt.Chart(named("points", rows))
        .mark_line(point=alt.OverlayMarkDef(size=70, filled=True), strokeWidth=2)
        .encode(
            x=alt.X("kernel:O", axis=alt.Axis(title="kernel (stride 2, on the plane)", labelAngle=0)),
            y=alt.Y("unevenness:Q", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(tickCount=5)),
            color=alt.Color("weights:N", **weights),
            shape=alt.Shape("weights:N", **weights),
            tooltip=["weights:N", "kernel:O", alt.Tooltip("unevenness:Q", format=".3f")],
        )
        .properties(
            width="container",
            height=190,
            description="Unevenness by kernel: 0 at even kernels for equal weights, near 0.87 throughout for random.",
        )
    )
    return chart
