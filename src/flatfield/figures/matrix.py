"""Matrix: a layer as what it is, a matrix, cell by cell."""

from __future__ import annotations

import altair as alt
import numpy as np
import numpy.typing as npt

from flatfield.figures.drawable import Drawable
from flatfield.figures.rows import Rows, clean, named
from flatfield.figures.style import LIT


def matrix_rows(matrix: npt.NDArray[np.floating]) -> Rows:
    """Give one row a cell of a dense matrix (outputs, inputs).

    >>> matrix_rows(np.array([[1.0, 0.0]]))[0]["label"]
    '1'
    """
    return [
        {"output": m, "input": n, "value": clean(matrix[m, n]), "label": f"{matrix[m, n]:.3g}" if matrix[m, n] else "",
         "lit": False}
        for m, n in np.ndindex(*matrix.shape)
    ]  # fmt: skip


def matrix(rows: Rows, *, step: int = 27) -> Drawable:
    """Draw the cells: a row an output, a column an input; lit cells are framed."""
    lit = alt.when("datum.lit")
    base = alt.Chart(named("cells", rows)).encode(
        x=alt.X("input:O", axis=alt.Axis(orient="top", title="input", labelAngle=0, ticks=False, domain=False)),
        y=alt.Y("output:O", axis=alt.Axis(title="output", ticks=False, domain=False)),
    )
    cells = base.mark_rect(strokeWidth=1).encode(
        color=alt.Color("value:Q", legend=None), tooltip=["output:O", "input:O", "value:Q"]
    )
    frames = base.mark_rect(fill=None, stroke=LIT, strokeWidth=2.5).encode(
        opacity=lit.then(alt.value(1)).otherwise(alt.value(0))
    )
    return alt.layer(cells, frames, base.mark_text().encode(text="label:N")).properties(
        width=alt.Step(step), height=alt.Step(step), description="A matrix, a row an output, a column an input."
    )
