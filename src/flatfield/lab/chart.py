"""Charts of a run: its curves, and its chief numbers with their intervals, light and dark."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from flatfield.figures.drawable import Drawable
from flatfield.figures.export import to_svg
from flatfield.figures.rows import Rows, clean
from flatfield.figures.seed_intervals import describe_intervals, seed_intervals
from flatfield.figures.style import DARK, LIGHT
from flatfield.figures.training_curves import Look, describe_curves, training_curves
from flatfield.lab.experiment import Experiment
from flatfield.lab.table import interval_of

DISTANCE, JITTER = "grid over distance", "unevenness over jitter"
LOOKS = {
    DISTANCE: Look("distance from the mean colour, grey levels", "grid, grey levels", points=True),
    JITTER: Look("jitter, pixels", "unevenness of the gradient's power"),
    "flat-field grid": Look("step", "flat-field grid, grey levels", doubling=True),
}
"""How kinds of curves are drawn; a kind that is not here is a loss, over steps."""


@dataclass(frozen=True)
class Chart:
    """A chart that is drawn: its files on light and on dark paper, and what it shows in words."""

    light: Path
    dark: Path
    words: str


def save_charts(experiment: Experiment, rows: pl.DataFrame, curves: pl.DataFrame, folder: Path) -> list[Chart]:
    """Draw what the experiment names as SVG, one file a chart and paper; returns them in order."""
    saved = []
    for title, drawable, words in (*_intervals(experiment, rows), *_curves(experiment, curves)):
        stem = f"{experiment.name}-{re.sub(r'[^a-z0-9]+', '-', title.lower()).strip('-')}"
        light, dark = (folder / f"{stem}-{paper}.svg" for paper in ("light", "dark"))
        for file, palette in ((light, LIGHT), (dark, DARK)):
            svg = to_svg(drawable, palette=palette)
            # thousandths of a pixel and less are half of the file
            file.write_text(re.sub(r"(\.\d\d)\d+", r"\1", svg), encoding="utf-8")
        saved.append(Chart(light, dark, words))
    return saved


def _intervals(experiment: Experiment, rows: pl.DataFrame) -> Iterator[tuple[str, Drawable, str]]:
    for names in experiment.charts:
        found = interval_rows(experiment, rows, names)
        unit = next(column.unit for column in experiment.measured if column.name == names[0])
        title = f"{_common(names)}, {unit}" if unit else _common(names)
        if found:
            yield " ".join(names), seed_intervals(found, title), describe_intervals(found, title)


def interval_rows(experiment: Experiment, rows: pl.DataFrame, names: tuple[str, ...]) -> Rows:
    """Estimate columns by family and variant; what the experiment keeps apart, or several columns, become groups."""
    columns = [column for column in experiment.measured if column.name in names]
    keys = ("family", "variant", *experiment.by)
    found: Rows = []
    for key, group in rows.group_by(keys, maintain_order=True):
        for column in columns:
            if group[column.name].is_null().all():
                continue
            interval = interval_of(group, column)
            label = (
                column.name.replace("_", " ")
                if len(columns) > 1
                else " ".join(f"{name} {value}" for name, value in zip(experiment.by, key[2:], strict=True))
            )
            bounds = (interval.low, interval.high) if interval.low <= interval.high else (interval.estimate,) * 2
            numbers = dict(zip(("low", "high"), map(clean, bounds), strict=True))
            found.append(
                {
                    "family": str(key[0]),
                    "variant": str(key[1]),
                    "group": label,
                    "estimate": clean(interval.estimate),
                    **numbers,
                }
            )
    return found


def _curves(experiment: Experiment, curves: pl.DataFrame) -> Iterator[tuple[str, Drawable, str]]:
    if curves.is_empty():
        return
    lines = experiment.lines or tuple(curves["variant"].unique(maintain_order=True))
    for what, group in curves.filter(pl.col("variant").is_in(lines)).group_by("what", maintain_order=True):
        title = str(what[0])
        look = LOOKS.get(title, Look("step", title, powers=True))
        mean = group.group_by("family", "variant", "x", maintain_order=True).agg(pl.col("y").mean())
        found = [{**row, "y": clean(row["y"])} for row in mean.to_dicts()]
        yield title, training_curves(found, look), describe_curves(found, look)


def _common(names: tuple[str, ...]) -> str:
    """What several columns have in common before their underscore."""
    return names[0] if len(names) == 1 else names[0].rsplit("_", 1)[0]
