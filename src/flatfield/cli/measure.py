"""`flatfield measure`: how much grid is in these pictures, or in this sound?"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from flatfield.cli.failure import one_line_errors, require_extra
from flatfield.cli.measured import Tally, Watchers, show
from flatfield.cli.results_page import PAGES, open_survey, write_page

if TYPE_CHECKING:
    from flatfield.measure.ledger import Ledger
    from flatfield.measure.row import Row, Settings

NEVER = "never"


class Engine(StrEnum):
    """What spreads the work: processes on this machine, or Ray."""

    PROCESSES = "processes"
    RAY = "ray"


Paths = Annotated[list[str], typer.Argument(help="Pictures, .npy/.npz batches, sound; folders; patterns in quotes.")]
Output = Annotated[
    list[Path] | None,
    typer.Option(
        "--output", "-o",
        help="Write a row a file: .parquet (goes on after a kill), .csv, .json; or a page to look at: .html. "
        "Give it twice for both.",
    ),
]  # fmt: skip


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
        int, typer.Option(min=1, help="Refuse pictures of more pixels, and sounds of more samples.")
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
        table, page = places_of(output or [])
        survey = None if page is None else open_survey(page, settings)
        ledger = open_ledger(table, settings)
        tally = run(list(paths), settings, ledger, engine, workers, Watchers(Tally(level), survey))
        if survey is not None and page is not None:
            write_page(survey, page)
        show(tally, *filter(None, (table, page)))
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
    from flatfield.measure.row import Settings

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


def places_of(outputs: list[Path]) -> tuple[Path | None, Path | None]:
    """Tell the table from the page among the outputs; ValueError for another format, and when there are two of a kind.

    >>> places_of([Path("a.html"), Path("b.csv")])[0].name
    'b.csv'
    """
    from flatfield.measure.ledger import FORMATS

    for path in outputs:
        if path.suffix.lower() not in (*FORMATS, *PAGES):
            raise ValueError(
                f"{path}: ending {path.suffix!r} is no format; take one of {', '.join((*FORMATS, '.html'))}"
            )
    pages = [path for path in outputs if path.suffix.lower() in PAGES]
    tables = [path for path in outputs if path not in pages]
    for kind, found in (("page", pages), ("table", tables)):
        if len(found) > 1:
            raise ValueError(f"-o {found[0]} -o {found[1]}: give one {kind}, and one only")
    return next(iter(tables), None), next(iter(pages), None)


def open_ledger(output: Path | None, settings: Settings) -> Ledger | None:
    """Open the table to write to, or go on with one that is there."""
    if output is None:
        return None
    from flatfield.measure.ledger import Ledger

    return Ledger(output, settings.told())


def run(
    paths: list[str],
    settings: Settings,
    ledger: Ledger | None,
    engine: Engine,
    workers: int | None,
    watchers: Watchers,
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
            watchers.recall(ledger)
            todo = (file for file in todo if not ledger.has(file))
        progress.update(task, description="measuring", total=total, completed=watchers.tally.before)
        for rows in measured(todo, settings, engine, workers, total):
            if ledger is not None:
                ledger.add(rows)
            watchers.add(rows)
            speed = watchers.tally.files / max(progress.tasks[0].elapsed or 0, 1e-9)
            progress.update(task, advance=len(rows), rate=f"{speed:.0f}/s")
        progress.update(task, completed=total)
    if ledger is not None:
        ledger.finish()
    return watchers.tally


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
    from flatfield.measure.folder import ALONE, measure_folder

    return measure_folder(files, settings, 1 if total <= ALONE and workers is None else workers)


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
