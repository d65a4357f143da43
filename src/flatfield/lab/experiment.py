"""Experiment: a claim, what is measured for it, and the rule by which it holds or not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from lightning.fabric import Fabric
from torch import nn

from flatfield.lab.photographs import Photographs
from flatfield.lab.scale import Scale
from flatfield.lab.train import Progress

Row = dict[str, Any]
TIMED = ("seconds", "steps_per_second", "milliseconds")
"""Columns that differ from run to run, whatever the seed: a resumed run is compared without them."""


@dataclass(frozen=True)
class Cell:
    """One network of an experiment: `family` says what it is for, `variant` what it is made of, `seed` which one."""

    family: str
    variant: str
    seed: int

    @property
    def name(self) -> str:
        """The cell as a file name.

        >>> Cell("autoencoder", "flat-4", 2).name
        'autoencoder.flat-4.2'
        """
        return f"{self.family}.{self.variant}.{self.seed}"


@dataclass(frozen=True)
class Bench:
    """What an experiment works with: data, sizes, the machine, a place for checkpoints, somebody to tell."""

    photographs: Photographs
    scale: Scale
    fabric: Fabric
    folder: Path
    progress: Progress

    def checkpoint(self, cell: Cell, name: str = "") -> Path:
        """Where a training of this cell keeps its state."""
        return self.folder / "checkpoints" / f"{cell.name}{f'.{name}' if name else ''}.pt"


@dataclass(frozen=True)
class Outcome:
    """What one cell gives: table rows (without family, variant and seed), curve rows, pictures (n, h, w, 3).

    `networks` are kept for measurements that come later.
    """

    rows: Sequence[Row]
    curves: Sequence[Row] = ()
    pictures: Mapping[str, npt.NDArray[np.uint8]] = field(default_factory=dict)
    networks: Mapping[str, nn.Module] = field(default_factory=dict)


@dataclass(frozen=True)
class Column:
    """One measured number: its name in the table, its unit and what it means.

    A `share` counts rows that are true and gets an exact interval; the rest are averaged with Student's.
    """

    name: str
    unit: str
    meaning: str
    share: bool = False


@dataclass(frozen=True)
class Verdict:
    """Whether the claim holds here (None: this run can't tell), and one sentence that says by how much."""

    holds: bool | None
    sentence: str

    @property
    def word(self) -> str:
        """What the verdict comes to."""
        return {True: "holds here", False: "does not hold here", None: "can't be told from this run"}[self.holds]

    def __str__(self) -> str:
        return f"The claim {self.word}: {self.sentence}"


@dataclass(frozen=True)
class Experiment:
    """A definition, frozen before anything is run.

    `cells` lists what is to be trained at a scale, `measure` does one of them, `judge` reads the finished table.
    `by` names columns beside family and variant that the report keeps apart (a step, a jitter), `needs` says why the
    experiment can't run here (None: it can). `charts` names the columns that the report draws with their intervals,
    one tuple a chart; `lines` the variants whose curves it draws (none: all); `note` is what a reader must know first;
    `originals` says whether painted pictures are shown beside photographs.
    """

    name: str
    claim: str
    measured: tuple[Column, ...]
    cells: Callable[[Scale], tuple[Cell, ...]]
    measure: Callable[[Cell, Bench], Outcome]
    judge: Callable[[pl.DataFrame], Verdict]
    by: tuple[str, ...] = ()
    needs: Callable[[], str | None] = lambda: None
    charts: tuple[tuple[str, ...], ...] = ()
    lines: tuple[str, ...] = ()
    note: str = ""
    originals: bool = True


def grid_of_cells(families: Sequence[str], variants: Sequence[str], seeds: int) -> tuple[Cell, ...]:
    """List every family, variant and seed; seeds outermost, so that an interrupted run has all variants.

    >>> [cell.name for cell in grid_of_cells(["a"], ["x", "y"], 2)]
    ['a.x.0', 'a.y.0', 'a.x.1', 'a.y.1']
    """
    return tuple(Cell(f, v, seed) for seed in range(seeds) for f in families for v in variants)
