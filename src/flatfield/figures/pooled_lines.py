"""Pooled lines: how far the spectrum of many pictures stands out of its surroundings, for every frequency."""

from __future__ import annotations

from fractions import Fraction

import altair as alt
import numpy as np
import numpy.typing as npt

from flatfield.figures.drawable import Drawable
from flatfield.figures.rows import Rows, clean, named
from flatfield.figures.style import LIT

_MARKED = (Fraction(1, 16), Fraction(1, 8), Fraction(1, 4), Fraction(1, 3), Fraction(3, 8), Fraction(1, 2))
_LOW = 1.5 / 32  # cycles a pixel: below, pictures themselves stand out


def line_rows(
    height: npt.NDArray[np.floating], across: npt.NDArray[np.floating], down: npt.NDArray[np.floating]
) -> Rows:
    """Give the largest height (H, W), in dB over the surroundings, at every frequency along either axis.

    `across` (W,) and `down` (H,) are the frequencies of columns and rows in cycles a pixel. Mirrored ones count once,
    and the lowest, where every picture is strong, are left out.

    >>> plane = np.array([[0.0, 9.0], [3.0, 0.0]])
    >>> [(row["axis"], row["frequency"], row["height"]) for row in line_rows(plane, np.array([0.0, 0.5]), np.zeros(2))]
    [('across', 0.5, 9.0)]
    """
    far = np.hypot(down[:, None], across[None, :]) >= _LOW
    seen = np.where(far, height, 0.0)
    rows: Rows = []
    for axis, frequencies, peaks in (("across", across, seen.max(axis=0)), ("down", down, seen.max(axis=1))):
        folded: dict[float, float] = {}
        for f, peak in zip(np.abs(frequencies), peaks, strict=True):
            folded[clean(f)] = max(folded.get(clean(f), 0.0), clean(peak))
        rows += [{"axis": axis, "frequency": f, "height": folded[f]} for f in sorted(folded) if f >= _LOW]
    return rows


def pooled_lines(rows: Rows) -> Drawable:
    """Draw one line an axis; uprights mark the frequencies at which networks draw, named as parts of a cycle."""
    axes: list[str] = ["across", "down"]
    legend = alt.Legend(title=None, orient="top", symbolType="stroke", symbolSize=400)
    lines = (
        alt.Chart(named("lines", rows))
        .mark_line(strokeWidth=2)
        .encode(
            x=alt.X(
                "frequency:Q",
                scale=alt.Scale(domain=[0, 0.5]),
                axis=alt.Axis(title="frequency, cycles a pixel", tickCount=6),
            ),
            y=alt.Y("height:Q", axis=alt.Axis(title="dB over the surroundings", tickCount=5)),
            color=alt.Color("axis:N", scale=alt.Scale(domain=axes), legend=legend),
            strokeDash=alt.StrokeDash("axis:N", scale=alt.Scale(domain=axes), legend=legend),
            tooltip=["axis:N", "frequency:Q", "height:Q"],
        )
    )
    marks = alt.Chart(named("marks", [{"frequency": float(f), "label": str(f)} for f in _MARKED]))
    uprights = marks.mark_rule(color=LIT, strokeDash=[2, 4], opacity=0.7).encode(x="frequency:Q")
    names = marks.mark_text(dy=-6, baseline="bottom", fontSize=11).encode(
        x="frequency:Q", y=alt.value(0), text="label:N"
    )
    return alt.layer(uprights, lines, names).properties(
        width="container", height=220, description="The pooled spectrum: what stands out of it, by frequency."
    )
