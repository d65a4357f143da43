"""Freedom: how many weights of a kernel stay free when it has to be flat at points, on lines, or at order 2."""

from __future__ import annotations

from typing import get_args

import altair as alt
import numpy as np

from flatfield.core import flat_projection, tap_positions
from flatfield.core.flat import Where
from flatfield.figures.drawable import Drawable
from flatfield.figures.rows import Rows, named

_NAMES = {"points": "flat at points", "lines": "flat on lines"}
_GEOMETRIES = ((3, 2), (4, 2), (5, 2), (6, 2), (6, 3))


def freedom_rows() -> Rows:
    """Give the free weights in 2-D: all of them, and those of the flat kernels.

    >>> [(row["kind"], row["free"]) for row in freedom_rows() if row["layer"] == "4/2"]
    [('any weights', 16), ('flat at points', 13), ('flat on lines', 9)]
    """
    rows: Rows = []
    for k, s in _GEOMETRIES:
        taps = tap_positions(k)
        rows.append({"layer": f"{k}/{s}", "kind": "any weights", "free": k * k})
        for at in get_args(Where):
            free = round(float(np.trace(flat_projection([taps, taps], (s, s), at=at))))
            rows.append({"layer": f"{k}/{s}", "kind": _NAMES[at], "free": free})
    return rows


def freedom(rows: Rows) -> Drawable:
    """Draw three bars a layer."""
    kinds = ["any weights", *_NAMES.values()]
    base = alt.Chart(named("bars", rows)).encode(
        x=alt.X("layer:N", axis=alt.Axis(title="kernel / stride, on the plane", labelAngle=0)),
        xOffset=alt.XOffset("kind:N", sort=kinds),
        y=alt.Y("free:Q", axis=alt.Axis(title="free weights", tickCount=4)),
        tooltip=["layer:N", "kind:N", "free:Q"],
    )
    bars = base.mark_bar().encode(color=alt.Color("kind:N", sort=kinds, legend=alt.Legend(title=None, orient="top")))
    return alt.layer(bars, base.mark_text(dy=-7, fontSize=11).encode(text="free:Q")).properties(
        width="container", height=190, description="Free weights of a kernel, of any, and of flat kernels."
    )
