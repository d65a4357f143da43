"""Seed intervals: an estimate and its interval for each kind of network, a panel a family."""

from __future__ import annotations

from typing import Any

import altair as alt

from flatfield.figures.drawable import Drawable
from flatfield.figures.rows import Rows
from flatfield.figures.training_curves import SHAPES, panelled

_WIDTH, _ROW = 660, 15


def describe_intervals(rows: Rows, title: str) -> str:
    """Say in words what the chart shows, its numbers included, for those who can't see it.

    >>> row = {"family": "gan", "variant": "nearest", "group": "", "estimate": 2.0, "low": 1.5, "high": 2.5}
    >>> describe_intervals([row], "grid")
    'grid, with intervals: gan nearest 2.'
    """
    told = ", ".join(
        " ".join(filter(None, (row["family"], row["variant"], row["group"], f"{row['estimate']:.3g}"))) for row in rows
    )
    return f"{title}, with intervals: {told}."


def seed_intervals(rows: Rows, title: str) -> Drawable:
    """Draw rows of family, variant, group, estimate, low and high: a mark for the estimate, a rule for its interval.

    Groups of one variant (periods, say) stand below each other, each with a colour and a shape.

    >>> row = {"family": "gan", "variant": "nearest", "group": "", "estimate": 2.0, "low": 1.5, "high": 2.5}
    >>> seed_intervals([row], "grid").to_dict()["facet"]["column"]["field"]
    'family'
    """
    kinds, panels, groups = (list(dict.fromkeys(row[key] for row in rows)) for key in ("variant", "family", "group"))
    legend = None if groups == [""] else alt.Legend(title=None, orient="top", labelLimit=220)
    shared: dict[str, Any] = {
        "y": alt.Y("variant:N", sort=kinds, title=None, axis=alt.Axis(labelLimit=160, grid=True, domain=False)),
        "color": alt.Color("group:N", scale=alt.Scale(domain=groups), legend=legend),
    }
    if len(groups) > 1:
        shared["yOffset"] = alt.YOffset("group:N", sort=groups)
    x_axis = alt.Axis(title=title, tickCount=5, grid=False)
    base = alt.Chart()
    rule = base.mark_rule(strokeWidth=2, aria=False).encode(
        x=alt.X("low:Q", axis=x_axis, scale=alt.Scale(zero=False)), x2="high:Q", **shared
    )
    point = base.mark_point(size=45, filled=True, opacity=1, aria=False).encode(
        x=alt.X("estimate:Q"),
        shape=alt.Shape("group:N", scale=alt.Scale(domain=groups, range=list(SHAPES)), legend=legend),
        **shared,
    )
    height = _ROW * len(kinds) * max(1.0, 0.75 * len(groups))
    width = (_WIDTH - 110 - 25 * len(panels)) // len(panels)
    layers: Any = alt.layer(rule, point, data=alt.InlineData(values=list(rows))).properties(width=width, height=height)
    return panelled(layers, panels, describe_intervals(rows, title), rows_shared=True)
