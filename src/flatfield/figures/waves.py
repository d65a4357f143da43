"""Waves: samples of a wave that goes in, and what the upsampler makes of it."""

from __future__ import annotations

import altair as alt
import numpy as np
import numpy.typing as npt

from flatfield.core import TransposedConvolution, Window
from flatfield.figures.drawable import Drawable
from flatfield.figures.rows import Rows, clean, named

_SAMPLES = 24
_MARGIN = 4  # inputs beyond either end of what is drawn, so that no border shows


def wave_rows(kernel: npt.NDArray[np.floating], stride: int, frequency: float) -> Rows:
    """Give the samples of cos(w n) and those of the output, placed at the centre of their kernel.

    >>> rows = wave_rows(np.ones(2), 2, 0.0)
    >>> {row["value"] for row in rows}
    {1.0}
    """
    n = np.arange(-_MARGIN, _SAMPLES + _MARGIN)
    wave = np.cos(frequency * n)
    layer = TransposedConvolution(kernel[None, None], Window(1, stride=stride))
    out = layer.as_matrix((len(n),)) @ wave
    places = (np.arange(len(out)) - (len(kernel) - 1) / 2) / stride - _MARGIN
    inside = (places >= -0.5) & (places <= _SAMPLES - 0.5)
    return [
        *({"signal": "input", "place": int(i), "value": clean(np.cos(frequency * i))} for i in range(_SAMPLES)),
        *(
            {"signal": "output", "place": clean(place), "value": clean(value)}
            for place, value in zip(places[inside], out[inside], strict=True)
        ),
    ]


def waves(rows: Rows) -> Drawable:
    """Draw the output as a line with dots, the input as larger rings."""
    base = alt.Chart(named("samples", rows)).encode(
        x=alt.X(
            "place:Q", axis=alt.Axis(title="position, in samples of the input", grid=False), scale=alt.Scale(nice=False)
        ),
        y=alt.Y("value:Q", axis=alt.Axis(title=None, tickCount=3), scale=alt.Scale(domainMin=-1.6, domainMax=1.6)),
        color=alt.Color(
            "signal:N", sort=["output", "input"], legend=alt.Legend(title=None, orient="top", symbolType="circle")
        ),
        tooltip=["signal:N", "place:Q", "value:Q"],
    )
    out = base.transform_filter("datum.signal == 'output'")
    line = out.mark_line(strokeWidth=1.2, point=alt.OverlayMarkDef(size=26, filled=True), clip=True)
    rings = base.transform_filter("datum.signal == 'input'").mark_point(size=75, filled=False, strokeWidth=1.8)
    return alt.layer(line, rings).properties(
        width="container", height=170, description="Samples of a wave before and behind an upsampler."
    )
