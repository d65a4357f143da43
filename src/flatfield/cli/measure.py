"""`flatfield measure`: how much grid is in these pictures, or in this sound?"""

from __future__ import annotations

import heapq
import sys
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from flatfield.cli.failure import one_line_errors, require_extra
from flatfield.render import printable

if TYPE_CHECKING:
    from flatfield.measure.ledger import Ledger
    from flatfield.measure.rows import Row, Settings

SHOWN = 40
NEVER = "never"


class Engine(StrEnum):
    """What spreads the work: processes on this machine, or Ray."""

    PROCESSES = "processes"
    RAY = "ray"


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


Paths = Annotated[list[str], typer.Argument(help="Pictures, .npy/.npz batches, sound; folders; patterns in quotes.")]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="Write a row a file: .parquet (goes on after a kill), .csv, .json."),
]


def measure(
    paths: Paths,
    output: Output = None,
    periods: Annotated[
        str, typer.Option("--periods", "-p", help="Periods asked for, in pixels or samples: 2-16, or 2,4,8.")
    ] = "2-16",
    maps: Annotated[
        Path | None, typer.Option("--map", help="Write heat maps of the pictures into this folder.")
    ] = None,
    fail_on: Annotated[
        str, typer.Option(help="Exit with 1 when a file shows a grid at a p-value below this; or never.")
    ] = NEVER,
    every_pixel: Annotated[
        bool, typer.Option("--every-pixel", help="Look at all of large pictures, not at strips of them.")
    ] = False,
    limit: Annotated[
        int, typer.Option(help="Refuse pictures of more pixels, and sounds of more samples.")
    ] = 100_000_000,
    workers: Annotated[int | None, typer.Option(help="Processes; all cores without it.", min=1)] = None,
    engine: Annotated[Engine, typer.Option(help="What spreads the work.")] = Engine.PROCESSES,
) -> None:
    """Measure how much grid is in pictures or in sound, from the pixels alone.

    Exit status: 0 measured, 1 a grid at --fail-on, 2 bad usage, 3 some files could not be read (their rows say why).
    Files that -o holds from before count as well.
    """
    with one_line_errors():
        require_extra("measure", "PIL", "polars", "scipy", "soundfile")
        level = None if fail_on == NEVER else level_of(fail_on)
        settings = settings_of(periods, level, every_pixel, limit, maps)
        ledger = open_ledger(output, settings)
        tally = run(list(paths), settings, ledger, engine, workers, Tally(level))
        show(tally, output)
    if tally.failing or tally.earlier[1]:
        raise typer.Exit(1)
    if tally.errors or tally.earlier[2]:
        raise typer.Exit(3)


def level_of(text: str) -> float:
    """Read `--fail-on`: a probability above 0 and below 1."""
    try:
        level = float(text)
    except ValueError:
        level = 0.0
    if not 0 < level < 1:
        raise ValueError(f"--fail-on {text}: give a p-value such as 0.001, or never")
    return level


def settings_of(periods: str, level: float | None, every_pixel: bool, limit: int, maps: Path | None) -> Settings:
    """Build the settings of a run from the options."""
    from flatfield.measure.rows import Settings

    wanted = periods_of(periods)
    if maps is not None and maps.exists() and not maps.is_dir():
        raise ValueError(f"--map {maps}: it is a file; give a folder, which is made where it isn't there")
    return Settings(wanted, level or 0.001, every_pixel, limit, None if maps is None else str(maps))


def periods_of(text: str) -> tuple[int, ...]:
    """Read periods: numbers and ranges between commas.

    >>> periods_of("2-4,8")
    (2, 3, 4, 8)
    """
    from flatfield.measure.harmonics import checked

    out: list[int] = []
    for part in text.split(","):
        low, _, high = part.strip().partition("-")
        if not low.isdigit() or (high and not high.isdigit()):
            raise ValueError(f"--periods {text}: {part!r} is no period; write 2-16 or 2,4,8")
        if int(high or low) > 64:
            raise ValueError(f"--periods {text}: {part!r} is beyond 64; ask for periods from 2 to 64")
        out += range(int(low), int(high or low) + 1)
    return checked(out)


def open_ledger(output: Path | None, settings: Settings) -> Ledger | None:
    """Open the table to write to, or go on with one that is there."""
    if output is None:
        return None
    try:
        from flatfield.measure.ledger import Ledger
    except ImportError:
        raise ValueError("-o needs Polars: pip install 'flatfield[measure]'") from None
    return Ledger(output, settings.told())


def run(
    paths: list[str],
    settings: Settings,
    ledger: Ledger | None,
    engine: Engine,
    workers: int | None,
    tally: Tally,
) -> Tally:
    """Measure all files under the paths that are not done yet, writing and counting rows as they come."""
    from flatfield.measure.folder import find_files

    with bar() as progress:
        task = progress.add_task("looking for files", total=None, rate="")
        total = sum(1 for _ in find_files(paths))
        if total == 0:
            raise ValueError(f"no pictures, batches or sound in {', '.join(paths)}: see --help for the formats")
        todo = find_files(paths) if len(paths) == 1 else once(find_files(paths))
        if ledger is not None:
            tally.before, tally.earlier = len(ledger.done), ledger.earlier(tally.level or 0.0)
            todo = (file for file in todo if not ledger.has(file))
        progress.update(task, description="measuring", total=total, completed=tally.before)
        for rows in measured(todo, settings, engine, workers, total):
            if ledger is not None:
                ledger.add(rows)
            for row in rows:
                tally.add(row)
            speed = tally.files / max(progress.tasks[0].elapsed or 0, 1e-9)
            progress.update(task, advance=len(rows), rate=f"{speed:.0f}/s")
        progress.update(task, completed=total)
    if ledger is not None:
        ledger.finish()
    return tally


def once(files: Iterable[str]) -> Iterator[str]:
    """Give each file once."""
    seen = set[str]()
    for file in files:
        if file not in seen:
            seen.add(file)
            yield file


def measured(
    files: Iterator[str], settings: Settings, engine: Engine, workers: int | None, total: int
) -> Iterator[list[Row]]:
    """Start the engine; few files aren't worth more than one process."""
    if engine is Engine.RAY:
        from flatfield.measure.cluster import measure_cluster

        return measure_cluster(files, settings)
    from flatfield.measure.folder import TOGETHER, measure_folder

    return measure_folder(files, settings, 1 if total <= TOGETHER and workers is None else workers)


def bar() -> Progress:
    """Draw progress on standard error: done, rate, time left."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )


def show(tally: Tally, output: Path | None) -> None:
    """Print the rows with most grid, the files that couldn't be read, and the counts."""
    console = Console()
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("file", "periods", "strength", "p-value", "JPEG grid"):
        table.add_column(heading, overflow="fold")
    for _, _, row in sorted(tally.worst, key=lambda item: (-item[0], -item[1])):
        table.add_row(*cells(row))
    if tally.worst:
        console.print(table)
    for row in tally.failed:
        console.print(f"{printable(row.file)}: {printable(row.error or '')}", style="red", markup=False, soft_wrap=True)
    counts = f"{tally.files} measured, {tally.with_grid} with a grid, {tally.errors} not readable"
    if tally.before:
        counts += f", {tally.before} done before ({tally.earlier[0]} with a grid, {tally.earlier[2]} not readable)"
    console.print(counts + (f"; all rows: {printable(str(output))}" if output is not None else ""), markup=False)


def cells(row: Row) -> tuple[str, str, str, str, str]:
    """Tell a row as text: a strength is a grid's only where a grid was found."""
    unit = "dBFS" if row.kind == "sound" else "levels"
    strength = f"{row.strength:.2f} {unit}" if row.periods and row.strength is not None else ""
    grid = "yes" if row.jpeg_grid else ""
    if row.jpeg_periods:
        grid += f" ({', '.join(map(str, row.jpeg_periods))})"
    p_value = "" if row.p_value is None else f"{row.p_value:.2g}"
    return printable(row.file), ", ".join(map(str, row.periods)) or "none", strength, p_value, grid
