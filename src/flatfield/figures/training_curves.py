"""Training curves: one line a network's kind, over steps or over whatever else was varied; a panel a family."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from flatfield.figures.drawable import Drawable
from flatfield.figures.rows import Rows

DASHES = ([1, 0], [7, 3], [2, 2], [9, 2, 2, 2], [4, 4], [1, 3], [12, 3], [5, 2, 1, 2])
"""As many as a palette has colours: what grey can't tell apart, a dash does."""
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left")
_WIDTH, _HEIGHT = 660, 190


@dataclass(frozen=True)
class Look:
    """Titles of a chart's axes, and how numbers become places on them.

    `doubling`: steps that double are equally far apart; `powers`: so are values; `points`: no lines between.
    """

    x: str
    y: str
    doubling: bool = False
    powers: bool = False
    points: bool = False


def describe_curves(rows: Rows, look: Look) -> str:
    """Say in words what the chart shows, for those who can't see it.

    >>> describe_curves([{"family": "gan", "variant": "nearest", "x": 1, "y": 2.0}], Look("step", "loss"))
    'loss over step: one line for nearest, in a panel for gan.'
    """
    kinds, panels = (", ".join(_several(rows, key)) for key in ("variant", "family"))
    marks = "points" if look.points else "one line"
    return f"{look.y} over {look.x}: {marks} for {kinds}, in a panel for {panels}."


def training_curves(rows: Rows, look: Look) -> Drawable:
    """Draw rows of family, variant, x and y; a variant has one colour and one dash (or shape) in all panels.

    >>> rows = [{"family": "gan", "variant": "nearest", "x": 1, "y": 2.0}]
    >>> training_curves(rows, Look("step", "loss")).to_dict()["spec"]["mark"]["type"]
    'line'
    """
    kinds, panels = _several(rows, "variant"), _several(rows, "family")
    legend = alt.Legend(title=None, orient="top", columns=6, labelLimit=180, symbolStrokeWidth=2.2)
    base = alt.Chart(alt.InlineData(values=list(rows)))
    second: dict[str, Any] = {
        "shape": alt.Shape("variant:N", scale=alt.Scale(domain=kinds, range=list(SHAPES)), legend=legend)
    }
    mark = base.mark_point(size=18, strokeWidth=1.2, aria=False)
    if not look.points:
        mark = base.mark_line(strokeWidth=2, aria=False)
        dash = alt.Scale(domain=kinds, range=[list(dash) for dash in DASHES])
        second = {"strokeDash": alt.StrokeDash("variant:N", scale=dash, legend=legend)}
    x_scale = alt.Scale(type="symlog") if look.doubling else alt.Scale()
    y_scale = alt.Scale(type="log", nice=False) if look.powers else alt.Scale(zero=look.points)
    chart = mark.encode(
        x=alt.X("x:Q", title=look.x, scale=x_scale, axis=alt.Axis(grid=False, tickCount=6)),
        y=alt.Y("y:Q", title=look.y, scale=y_scale, axis=alt.Axis(tickCount=5)),
        color=alt.Color("variant:N", scale=alt.Scale(domain=kinds), legend=legend),
        **second,
    ).properties(width=(_WIDTH - 60 * len(panels)) // len(panels), height=_HEIGHT)
    return panelled(chart, panels, describe_curves(rows, look))


def panelled(
    chart: alt.Chart | alt.LayerChart, panels: Sequence[str], description: str, *, rows_shared: bool = False
) -> Drawable:
    """Set a chart in panels side by side, in the order of `panels`, each with scales of its own (y: unless shared)."""
    header = alt.Header(title=None, labelFontSize=13, labelPadding=4) if len(panels) > 1 else None
    column = alt.Column("family:N", sort=list(panels), header=header)
    facets: Drawable = (
        chart.facet(column=column, spacing=18)
        .resolve_scale(x="independent", y="shared" if rows_shared else "independent")
        .properties(description=description)
    )
    return facets


def _several(rows: Rows, key: str) -> list[str]:
    """The values of a key, in the order in which they come."""
    return list(dict.fromkeys(row[key] for row in rows))
