"""Spectrum lines: one frequency goes in, and at the output stand the wave itself and its images."""

from __future__ import annotations

from typing import Any

import altair as alt
import numpy as np
import numpy.typing as npt

from flatfield.core import spectral_images
from flatfield.figures.drawable import Drawable
from flatfield.figures.rows import Rows, clean, named


def spectrum_rows(kernel: npt.NDArray[np.floating], stride: int, frequency: float) -> Rows:
    """Give amplitude and place (in units of pi, folded to 0 .. 1) of the wave and of each image.

    >>> [(row["kind"], row["place"], row["amplitude"]) for row in spectrum_rows(np.ones(2), 2, 0.0)]
    [('wave', 0.0, 1.0), ('image', 1.0, 0.0)]
    """
    amplitudes = np.abs(spectral_images(kernel[None, None], stride, [frequency]))[:, 0, 0]
    rows: Rows = []
    for q, amplitude in enumerate(amplitudes):
        theta = (frequency / np.pi + 2 * q) / stride
        folded = theta if theta <= 1 else 2 - theta  # a real wave stands at w and at 2 pi - w alike
        rows.append({"kind": "image" if q else "wave", "place": clean(folded), "amplitude": clean(amplitude)})
    return rows


def spectrum_lines(rows: Rows) -> Drawable:
    """Draw upright lines with a head."""
    # an explicit domain, and the legends of colour and shape become one
    kind: dict[str, Any] = {
        "scale": alt.Scale(domain=["wave", "image"]),
        "legend": alt.Legend(title=None, orient="top"),
    }
    base = alt.Chart(named("lines", rows)).encode(
        x=alt.X(
            "place:Q",
            scale=alt.Scale(domain=[0, 1], padding=12),
            axis=alt.Axis(title="frequency at the output, in units of pi", tickCount=5),
        ),
        color=alt.Color("kind:N", **kind),
        tooltip=["kind:N", "place:Q", "amplitude:Q"],
    )
    y = alt.Y("amplitude:Q", scale=alt.Scale(domain=[0, 1.1]), axis=alt.Axis(title="amplitude", tickCount=4))
    stems = base.mark_rule(strokeWidth=3).encode(y=y, y2=alt.datum(0))
    heads = base.mark_point(size=110, filled=True, opacity=1).encode(y=y, shape=alt.Shape("kind:N", **kind))
    text = base.mark_text(dy=-14).encode(y=y, text=alt.Text("amplitude:Q", format=".2f"), color=alt.Undefined)
    return alt.layer(stems, heads, text).properties(
        width="container", height=190, description="The wave and its images at the output of an upsampler."
    )
