"""`flatfield lab`: list, run and report the article's experiments."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from flatfield.cli.failure import one_line_errors
from flatfield.cli.page import show_page

if TYPE_CHECKING:
    from flatfield.lab.run import Settings

lab = typer.Typer(
    name="lab",
    help="Train the article's experiments on real photographs and see whether its claims hold.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Runs = Annotated[Path, typer.Option("--runs", help="Folder of runs; each experiment has one of its own in it.")]


@lab.command("list")
def list_experiments() -> None:
    """List the experiments and the claim that each one tries."""
    with _lab_installed():
        from flatfield.lab.experiments import EXPERIMENTS
        from flatfield.lab.scale import scale_named
    scale = scale_named("cpu")
    table = Table(box=None, pad_edge=False)
    for heading in ("experiment", "networks", "claim"):
        table.add_column(heading, no_wrap=heading != "claim")
    for experiment in EXPERIMENTS:
        missing = experiment.needs()
        claim = experiment.claim if missing is None else f"{experiment.claim} (can't run here: {missing})"
        table.add_row(experiment.name, str(len(experiment.cells(scale))), claim)
    show_page(table)


@lab.command("run")
def run_experiments(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Experiments; `all` for every one.")],
    runs: Runs = Path("runs"),
    scale: Annotated[str, typer.Option(help="tiny, cpu (minutes on two cores) or paper (a GPU).")] = "cpu",
    steps: Annotated[int | None, typer.Option(min=1, help="Steps of a training, if not the scale's.")] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Networks a variant, if not the scale's.")] = None,
    data: Annotated[
        str | None,
        typer.Option(help="In the place of scikit-image's: fashion-mnist, mate-backgrounds (Debian's), or a folder."),
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Networks trained at a time, a core each.")] = 1,
    accelerator: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "cpu",
    devices: Annotated[int, typer.Option(min=1, help="Devices a host; torchrun's own count where it starts us.")] = 1,
    nodes: Annotated[int, typer.Option(min=1, help="Hosts.")] = 1,
) -> None:
    """Run experiments, or go on with them after a kill; results lie in RUNS/NAME."""
    with _lab_installed():
        from flatfield.lab.experiments import EXPERIMENTS, find_experiment
        from flatfield.lab.hardware import Hardware
        from flatfield.lab.run import Settings
        from flatfield.lab.scale import scale_named
    with one_line_errors():
        chosen = list(EXPERIMENTS) if names == ["all"] else [find_experiment(name) for name in names]
        settings = Settings(
            scale_named(scale, steps=steps, seeds=seeds), runs, data, Hardware(accelerator, devices, nodes)
        )
        for experiment in chosen:
            missing = experiment.needs()
            if missing is not None and names == ["all"]:
                typer.echo(f"{experiment.name}: left out, {missing}", err=True)
                continue
            _run_one(experiment.name, settings, jobs)


def _run_one(name: str, settings: Settings, jobs: int) -> None:
    from flatfield.lab.experiments import find_experiment
    from flatfield.lab.run import run
    from flatfield.lab.table import summary

    experiment = find_experiment(name)
    with _bars() as bars:
        cells = bars.add_task(name, total=None)
        steps = bars.add_task("", total=None, visible=jobs == 1)
        place = run(
            experiment,
            settings,
            jobs=jobs,
            cells_done=lambda done, total, cell: bars.update(
                cells, completed=done, total=total, description=cell or name
            ),
            steps_done=lambda done, total: bars.update(steps, completed=done, total=total),
        )
    if not (place.path / "rows.parquet").exists():
        return  # another process of the same run writes and reports
    rows = place.rows()
    told = summary(experiment, rows)
    table = Table(box=None, pad_edge=False, title=f"{name}: {experiment.claim}", title_justify="left")
    for heading in told.headings:
        table.add_column(heading)
    for line in told.lines:
        table.add_row(*line)
    show_page(table)
    typer.echo(f"{experiment.judge(rows)}\n{place.path}")


@lab.command("report")
def report_runs(
    runs: Runs = Path("runs"),
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the page and its pictures.")] = Path("lab"),
) -> None:
    """Write one page with the tables, verdicts, sample sheets and learning curves of all runs."""
    with _lab_installed():
        from flatfield.lab.report import write_report
    with one_line_errors():
        page = write_report(runs, output)
    typer.echo(str(page))


def _bars() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)


@contextlib.contextmanager
def _lab_installed() -> Iterator[None]:
    """Say in one line what to install where a package of the laboratory is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        typer.echo(f"flatfield: the laboratory needs {error.name}: pip install 'flatfield[lab]'", err=True)
        raise typer.Exit(2) from None
