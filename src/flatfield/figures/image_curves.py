"""Image curves: how loud an upsampler's false copies are, for every frequency of the input."""

from __future__ import annotations

from typing import Any

import altair as alt
import numpy as np

from flatfield.core import image_curve
from flatfield.figures.drawable import Drawable
from flatfield.figures.rows import Rows, clean, named
from flatfield.figures.style import LIT
from flatfield.figures.upsamplers import upsampler_kernels

_DASHES = [[1, 0], [4, 2], [2, 2], [9, 3], [9, 3, 2, 3], [14, 2]]  # the usual ones go down to dots too fine to see


def curve_rows(points: int = 33) -> Rows:
    """Give the loudness of the images for every upsampler over the input frequency, as a share of pi.

    >>> [row["images"] for row in curve_rows(3) if row["upsampler"] == "nearest"]
    [0.0, 0.382683432, 0.707106781]
    """
    rows: Rows = []
    for name, kernel in upsampler_kernels().items():
        curve = image_curve(kernel[None, None], 2, points=points)
        rows += [
            {"upsampler": name, "frequency": clean(w / np.pi), "images": clean(images), "wave": clean(wave)}
            for w, images, wave in zip(curve.frequency, curve.images, curve.baseband, strict=True)
        ]
    return rows


def image_curves(rows: Rows) -> Drawable:
    """Draw one line an upsampler, and the frequency at hand as an upright."""
    names = list(dict.fromkeys(row["upsampler"] for row in rows))
    # an explicit domain, and the legends of colour and dash become one
    legend = alt.Legend(title=None, orient="top", columns=2, labelLimit=240, symbolType="stroke", symbolSize=400)
    named_lines: dict[str, Any] = {"scale": alt.Scale(domain=names), "legend": legend}
    lines = (
        alt.Chart(named("curves", rows))
        .mark_line(strokeWidth=2.2)
        .encode(
            x=alt.X("frequency:Q", axis=alt.Axis(title="frequency of the input, in units of pi", tickCount=5)),
            y=alt.Y("images:Q", axis=alt.Axis(title="loudness of the images", tickCount=5)),
            color=alt.Color("upsampler:N", **named_lines),
            strokeDash=alt.StrokeDash(
                "upsampler:N", **{**named_lines, "scale": alt.Scale(domain=names, range=_DASHES)}
            ),
            tooltip=["upsampler:N", "frequency:Q", "images:Q", "wave:Q"],
        )
    )
    upright = alt.Chart(named("at", [{"frequency": 0.0}])).mark_rule(color=LIT, strokeWidth=2).encode(x="frequency:Q")
    return alt.layer(lines, upright).properties(
        width="container", height=250, description="Loudness of spectral images over input frequency, by upsampler."
    )
