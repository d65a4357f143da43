"""Flat pair: weights, and the nearest flat ones beside them, with the gain of every phase."""

from __future__ import annotations

import altair as alt
import numpy as np
import numpy.typing as npt

from flatfield.core import flat_weights, phase_gains
from flatfield.figures.drawable import Drawable
from flatfield.figures.rows import Rows, clean, named


def pair_rows(weight: npt.NDArray[np.floating], stride: int) -> dict[str, Rows]:
    """Give taps (before and after) and the gains of their phases; one dimension, one channel.

    >>> rows = pair_rows(np.ones(3), 2)
    >>> [row["gain"] for row in rows["gains"] if row["weights"] == "flat"]
    [1.333333333, 1.333333333]
    """
    taps: Rows = []
    gains: Rows = []
    pairs = (
        ("as drawn", np.asarray(weight, dtype=np.float64)),
        ("flat", flat_weights(weight[None, None], stride)[0, 0]),
    )
    for name, kernel in pairs:
        taps += [{"weights": name, "tap": t, "value": clean(w), "phase": str(t % stride)} for t, w in enumerate(kernel)]
        gains += [
            {"weights": name, "phase": str(f), "gain": clean(gain)}
            for f, gain in enumerate(phase_gains(kernel[None, None], stride)[:, 0, 0])
        ]
    return {"taps": taps, "gains": gains}


def flat_taps(rows: Rows) -> Drawable:
    """Draw the taps in pairs, coloured by phase; the flat ones are solid."""
    chart: Drawable = (
        alt.Chart(named("taps", rows))
        .mark_bar(strokeWidth=1.5)
        .encode(
            x=alt.X("tap:O", axis=alt.Axis(title="tap of the kernel", labelAngle=0)),
            xOffset=alt.XOffset("weights:N", sort=["as drawn", "flat"]),
            y=alt.Y("value:Q", axis=alt.Axis(title="weight", tickCount=4)),
            color=alt.Color("phase:N", legend=alt.Legend(orient="top")),
            fillOpacity=alt.when("datum.weights === 'flat'").then(alt.value(1.0)).otherwise(alt.value(0.35)),
            tooltip=["weights:N", "tap:O", "phase:N", "value:Q"],
        )
        .properties(width="container", height=180, description="Weights as drawn, and the nearest flat ones.")
    )
    return chart


def flat_gains(rows: Rows) -> Drawable:
    """Draw the gains of the phases, before and after."""
    chart: Drawable = (
        alt.Chart(named("gains", rows))
        .mark_bar()
        .encode(
            x=alt.X("weights:N", sort=["as drawn", "flat"], axis=alt.Axis(title=None, labelAngle=0)),
            xOffset="phase:N",
            y=alt.Y("gain:Q", axis=alt.Axis(title="phase gain", tickCount=4)),
            color=alt.Color("phase:N", legend=None),
            tooltip=["weights:N", "phase:N", "gain:Q"],
        )
        .properties(width="container", height=180, description="Phase gains as drawn, and flat.")
    )
    return chart
