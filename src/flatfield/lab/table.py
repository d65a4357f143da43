"""Tables of an experiment: one line a family and variant, every number with its interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from flatfield.lab.experiment import Column, Experiment
from flatfield.lab.statistics import Interval, mean_interval, share_interval


@dataclass(frozen=True)
class Table:
    """Headings and lines, ready to be laid out."""

    headings: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]


def values(frame: pl.DataFrame, column: str, **where: Any) -> list[float]:
    """Pick the numbers of a column where others have given values, in the order of the seeds.

    >>> values(pl.DataFrame({"variant": ["a", "b"], "seed": [0, 0], "dB": [1.0, 2.0]}), "dB", variant="b")
    [2.0]
    """
    chosen = frame.filter(**where) if where else frame
    return [float(v) for v in chosen.sort("seed", maintain_order=True)[column].to_list() if v is not None]


def interval_of(frame: pl.DataFrame, column: Column) -> Interval:
    """Estimate a column over the rows of a frame."""
    numbers = values(frame, column.name)
    if column.share:
        return share_interval(sum(number > 0 for number in numbers), len(numbers))
    return mean_interval(numbers)


def _text(interval: Interval) -> str:
    """What is the same for every seed has no interval to speak of."""
    return f"{interval.estimate:.3g}" if interval.low == interval.high else str(interval)


def summary(experiment: Experiment, frame: pl.DataFrame) -> Table:
    """Summarise rows by family, variant and what the experiment keeps apart.

    The count of rows comes last; a single row has no interval.
    """
    keys = ("family", "variant", *experiment.by)
    measured = [column for column in experiment.measured if column.name in frame.columns]
    headings = (*keys, *(f"{c.name} ({c.unit})" if c.unit else c.name for c in measured), "n")
    lines = []
    for key, group in frame.group_by(keys, maintain_order=True):
        texts = [_text(interval_of(group, column)) if values(group, column.name) else "" for column in measured]
        lines.append((*map(str, key), *texts, str(len(group))))
    return Table(headings, tuple(lines))
