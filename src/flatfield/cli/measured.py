"""What `flatfield measure` prints: the files with most grid, those that could not be read, and the counts."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from flatfield.render import printable

if TYPE_CHECKING:
    from flatfield.measure.ledger import Ledger
    from flatfield.measure.row import Row
    from flatfield.measure.survey import Survey

SHOWN = 40


class Tally:
    """What is kept of a run in memory: counts, and the rows worth showing (most grid first)."""

    def __init__(self, level: float | None) -> None:
        self.level = level
        self.files = self.errors = self.with_grid = self.failing = self.before = 0
        self.earlier = (0, 0, 0)  # of those done before: with a grid, failing, not readable
        self.worst: list[tuple[float, int, Row]] = []
        self.failed: list[Row] = []

    def add(self, row: Row) -> None:
        """Count a row, and keep it if it is among the worst."""
        self.files += 1
        if row.error is not None:
            self.errors += 1
            self.failed = [*self.failed, row][:SHOWN]
            return
        self.with_grid += bool(row.periods)
        if self.level is not None and row.p_value is not None and row.p_value < self.level and row.periods:
            self.failing += 1
        heapq.heappush(self.worst, (-(row.p_value if row.p_value is not None else 1.0), -self.files, row))
        if len(self.worst) > SHOWN:
            heapq.heappop(self.worst)


class Watchers:
    """Those who see every row: the tally, and the survey behind a page where one is asked for."""

    def __init__(self, tally: Tally, survey: Survey | None = None) -> None:
        self.tally, self.survey = tally, survey

    def add(self, rows: Sequence[Row]) -> None:
        """Show them new rows."""
        for row in rows:
            self.tally.add(row)
            if self.survey is not None:
                self.survey.add(row)

    def recall(self, ledger: Ledger) -> None:
        """Count what earlier runs have measured, and show it to the survey: a page tells of all files."""
        self.tally.before, self.tally.earlier = len(ledger.done), ledger.earlier(self.tally.level or 0.0)
        if self.survey is not None:
            from flatfield.measure.recalled import recalled

            for row in recalled(ledger):
                self.survey.add(row)


def show(tally: Tally, *outputs: Path) -> None:
    """Print the rows with most grid, the files that couldn't be read, and the counts."""
    console = Console()
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("file", "periods", "strength", "p-value", "JPEG grid"):
        table.add_column(heading, overflow="fold")
    for _, _, row in sorted(tally.worst, key=lambda item: (-item[0], -item[1])):
        table.add_row(*(Text(cell) for cell in cells(row)))
    if tally.worst:
        console.print(table)
    for row in tally.failed:
        console.print(f"{printable(row.file)}: {printable(row.error or '')}", style="red", markup=False, soft_wrap=True)
    counts = f"{tally.files} measured, {tally.with_grid} with a grid, {tally.errors} not readable"
    if tally.before:
        counts += f", {tally.before} done before ({tally.earlier[0]} with a grid, {tally.earlier[2]} not readable)"
    console.print(
        counts + "".join(f"; written: {printable(str(path))}" for path in outputs), markup=False, soft_wrap=True
    )


def cells(row: Row) -> tuple[str, str, str, str, str]:
    """Tell a row as text: a strength is a grid's only where a grid was found."""
    unit = "dBFS" if row.kind == "sound" else "levels"
    strength = f"{row.strength:.2f} {unit}" if row.periods and row.strength is not None else ""
    grid = "yes" if row.jpeg_grid else ""
    if row.jpeg_periods:
        grid += f" ({', '.join(map(str, row.jpeg_periods))})"
    p_value = "" if row.p_value is None else f"{row.p_value:.2g}"
    return printable(row.file), ", ".join(map(str, row.periods)) or "none", strength, p_value, grid
