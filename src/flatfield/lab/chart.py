"""Charts of a run's curves: losses, grids over steps, grids over colours."""

from __future__ import annotations

from pathlib import Path

import altair as alt
import polars as pl


def save_charts(curves: pl.DataFrame, folder: Path, name: str) -> list[Path]:
    """Draw one SVG for each kind of curve: a line a variant, the mean over seeds, a panel a family.

    `curves` has family, variant, seed, what, x and y, as `RunFolder.curves` gives them.
    """
    files = []
    for i, (what, group) in enumerate(curves.group_by("what", maintain_order=True)):
        file = folder / f"{name}-curve-{i}.svg"
        chart_of(group, str(what[0])).save(file)
        files.append(file)
    return files


def chart_of(curves: pl.DataFrame, title: str) -> alt.FacetChart:
    """Lay out one kind of curve; a step is the mean over the seeds.

    Steps are spread logarithmically from 1 on: grids change most in the first of them.
    """
    over_steps = title != "grid over distance"
    mean = curves.group_by("family", "variant", "x", maintain_order=True).agg(pl.col("y").mean())
    base = alt.Chart(alt.InlineData(values=mean.to_dicts()))
    mark = base.mark_line() if over_steps else base.mark_point(size=12, filled=True)
    scale = alt.Scale(type="symlog") if over_steps else alt.Scale()
    chart: alt.FacetChart = (
        mark.encode(
            x=alt.X("x:Q", title="step" if over_steps else "distance from the mean colour, grey levels", scale=scale),
            y=alt.Y("y:Q", title=title),
            color=alt.Color("variant:N", title=None),
        )
        .properties(width=320, height=200)
        .facet(column=alt.Column("family:N", title=None))
        .resolve_scale(y="independent")
    )
    return chart
