"""Ribbons: bars in, bars out, and between them a ribbon for every weight that joins an input to an output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import numpy.typing as npt

from flatfield.figures.drawable import Drawable
from flatfield.figures.rows import Rows, clean, named

_HEIGHT = 250
_TALLEST = 0.8  # of the height of the band in which bars stand
_SERIES = ["0", "1", "2", "3", "4", "5", "input"]  # the seventh colour of a series is a grey


def ribbon_rows(
    matrix: npt.NDArray[np.floating],
    inputs: Sequence[float],
    *,
    places: Sequence[float] | None = None,
    phases: int = 1,
    padding: int = 0,
) -> dict[str, Rows]:
    """Give the rows of the chart for a dense matrix (outputs, inputs) and what it is fed.

    `places` says above which input position each output stands (their own number without it); outputs are
    coloured by their phase `(m + padding) mod phases`.

    >>> rows = ribbon_rows(np.array([[1.0, 0.0], [2.0, 1.0], [0.0, 2.0]]), [1, 1])
    >>> [cell["value"] for cell in rows["cells"] if cell["side"] == "out"], len(rows["links"])
    ([1.0, 3.0, 2.0], 4)
    """
    outputs = matrix @ np.asarray(inputs, dtype=np.float64)
    where = list(range(len(outputs))) if places is None else list(places)
    width = 0.42 * (where[1] - where[0] if len(where) > 1 else 1.0)
    cells = [
        *_bars("in", inputs, list(range(len(inputs))), 0.42, [-1] * len(inputs)),
        *_bars("out", outputs, where, width, [(m + padding) % phases for m in range(len(outputs))]),
    ]
    links = [
        {"from": float(n), "to": clean(where[m]), "weight": clean(matrix[m, n]), "phase": str((m + padding) % phases),
         "input": int(n), "output": int(m), "lit": True}
        for m, n in np.argwhere(matrix != 0)
    ]  # fmt: skip
    return {"cells": cells, "links": links}


def _bars(side: str, values: Any, places: Sequence[float], half: float, phases: Sequence[int]) -> Rows:
    numbers = [clean(value) for value in values]
    most = max((abs(number) for number in numbers), default=0.0) or 1.0
    base, up = (1.0, 1.0) if side == "in" else (0.0, -1.0)
    return [
        {"side": side, "index": i, "left": clean(place - half), "right": clean(place + half), "place": clean(place),
         "base": base, "tip": clean(base + up * _TALLEST * abs(number) / most), "value": number,
         "phase": str(phase) if phase >= 0 else "input", "lit": True}
        for i, (number, place, phase) in enumerate(zip(numbers, places, phases, strict=True))
    ]  # fmt: skip


def ribbons(rows: dict[str, Rows]) -> Drawable:
    """Draw the chart: inputs stand above, outputs hang below, ribbons as wide as their weight."""
    x = alt.X("from:Q", axis=None, scale=alt.Scale(zero=False, nice=False, padding=8))
    y: dict[str, Any] = {"axis": None, "scale": alt.Scale(domain=[-1.05, 2.05], nice=False)}
    phase = alt.Color("phase:N", legend=None, scale=alt.Scale(domain=_SERIES))
    lit = alt.when("datum.lit")
    links = (
        alt.Chart(named("links", rows["links"]))
        .mark_rule(strokeCap="butt", tooltip=alt.TooltipContent("encoding"))
        .transform_calculate(size="abs(datum.weight)", top="1", bottom="0")
        .encode(
            x=x, x2="to:Q", y=alt.Y("top:Q", **y), y2="bottom:Q", color=phase,
            strokeWidth=alt.StrokeWidth("size:Q", legend=None, scale=alt.Scale(domainMin=0, range=[0.5, 9])),
            opacity=lit.then(alt.value(0.75)).otherwise(alt.value(0.1)),
            tooltip=["input:Q", "output:Q", "weight:Q"],
        )
    )  # fmt: skip
    cells = alt.Chart(named("cells", rows["cells"]))
    bars = cells.mark_rect().encode(
        x=alt.X("left:Q"), x2="right:Q", y=alt.Y("base:Q", **y), y2="tip:Q", color=phase,
        opacity=lit.then(alt.value(1.0)).otherwise(alt.value(0.3)), tooltip=["side:N", "index:Q", "value:Q"],
    )  # fmt: skip
    text = cells.transform_calculate(label="format(datum.value, '.3~g')", at="datum.tip")
    above = text.transform_filter("datum.side == 'in'").mark_text(dy=-8).encode(x="place:Q", y="at:Q", text="label:N")
    below = text.transform_filter("datum.side == 'out'").mark_text(dy=9).encode(x="place:Q", y="at:Q", text="label:N")
    return alt.layer(links, bars, above, below).properties(
        width="container", height=_HEIGHT, description="Bars of the input above, bars of the output below, "
        "and a ribbon for every weight that joins an input to an output."
    )  # fmt: skip
