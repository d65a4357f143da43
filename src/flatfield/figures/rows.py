"""Rows: what a chart is drawn from; a page replaces them by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt

Row = dict[str, Any]
Rows = list[Row]


def named(name: str, rows: Sequence[Row]) -> alt.InlineData:
    """Give rows as a named data set: `view.data(name, other_rows)` redraws the chart in a page.

    >>> named("cells", [{"value": 1}]).name
    'cells'
    """
    return alt.InlineData(values=list(rows), name=name)


def clean(number: Any) -> float:
    """Round away what is only rounding, so that a page and a file show the same digits; -0 becomes 0.

    >>> clean(0.1 + 0.2), clean(-1e-17)
    (0.3, 0.0)
    """
    return round(float(number), 9) + 0.0
