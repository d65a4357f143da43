"""Lanes: a flat field on its way through a stack of layers, one lane a layer, on the positions of the output."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import numpy as np
import numpy.typing as npt

from flatfield.core import unevenness
from flatfield.figures.drawable import Drawable
from flatfield.figures.rows import Rows, clean, named

_ROOM = 0.64  # of a lane


def lane_rows(profiles: Sequence[tuple[str, npt.NDArray[np.floating]]], *, positions: int = 32) -> Rows:
    """Give one bar for each stretch of each lane; a profile is one period of a layer's output, named.

    Bars are as tall as the value relative to the largest of the lane. A position of an early layer covers
    several of the output.

    >>> rows = lane_rows([("input", np.array([1.0])), ("layer 1", np.array([2.0, 1.0]))], positions=4)
    >>> [(row["lane"], row["left"], row["right"], row["value"]) for row in rows][-2:]
    [(1, 2.0, 3.0, 2.0), (1, 3.0, 4.0, 1.0)]
    """
    longest = max(len(profile) for _, profile in profiles)
    rows: Rows = []
    for lane, (name, profile) in enumerate(profiles):
        wide = longest / len(profile)
        most = float(np.abs(profile).max()) or 1.0
        rows += [
            {"lane": lane, "name": name, "left": clean(i * wide), "right": clean((i + 1) * wide),
             "base": -lane, "tip": clean(-lane + _ROOM * value / most), "value": clean(value)}
            for i in range(int(np.ceil(positions / wide)))
            for value in [float(profile[i % len(profile)])]
        ]  # fmt: skip
    return rows


def label_rows(profiles: Sequence[tuple[str, npt.NDArray[np.floating]]]) -> Rows:
    """Give one label a lane: its name, its period and its unevenness.

    >>> label_rows([("layer 1", np.array([2.0, 1.0]))])[0]["label"]
    'layer 1: unevenness 0.316'
    """
    labels = []
    for lane, (name, profile) in enumerate(profiles):
        uneven = unevenness(profile[:, None, None])
        labels.append({"lane": lane, "at": -lane + 0.67, "label": f"{name}: unevenness {uneven:.3f}"})
    return labels


def lanes(rows: dict[str, Rows]) -> Drawable:
    """Draw the lanes below one another, the input on top."""
    y_axis = alt.Y("base:Q", axis=None, scale=alt.Scale(nice=False))
    bars = (
        alt.Chart(named("cells", rows["cells"]))
        .mark_rect(strokeWidth=0.6)
        .encode(
            x=alt.X(
                "left:Q",
                scale=alt.Scale(nice=False),
                axis=alt.Axis(title="position in the output", grid=False, tickCount=8),
            ),
            x2="right:Q",
            y=y_axis,
            y2="tip:Q",
            color=alt.Color("lane:O", legend=None, scale={"range": "category"}),
            tooltip=["name:N", "value:Q"],
        )
    )
    text = (
        alt.Chart(named("labels", rows["labels"]))
        .mark_text(align="left", baseline="bottom")
        .encode(x=alt.value(2), y=alt.Y("at:Q"), text="label:N")
    )
    return alt.layer(bars, text).properties(
        width="container", height=330, description="A flat field behind each layer of a stack, one lane a layer."
    )
