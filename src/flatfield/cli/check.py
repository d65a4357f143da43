"""`flatfield check`: find uneven upsampling in a model."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group
from rich.table import Table
from rich.text import Text

from flatfield.checking import report_on, with_probe
from flatfield.cli.failure import one_line_errors
from flatfield.cli.output import write_whole
from flatfield.cli.page import show_page
from flatfield.cli.progress import waiting
from flatfield.core import FLAT
from flatfield.readers.input_spec import InputSpec
from flatfield.render import FORMATS, printable, render_terminal
from flatfield.report import LEVELS, Report
from flatfield.rules import RULES, Rule, find_rule
from flatfield.targets import open_model


class Format(StrEnum):
    """Formats a report is written in."""

    JSON = "json"
    SARIF = "sarif"
    TXT = "txt"
    HTML = "html"


class FailOn(StrEnum):
    """From which level on findings make the exit status 1."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"
    NEVER = "never"


Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="Write the report here; .html, .json, .sarif or .txt says the format."),
]
AsFormat = Annotated[Format | None, typer.Option("--format", help="Format, whatever the file's ending says.")]
EveryLayer = Annotated[bool, typer.Option("--all", help="List also the layers that keep their positions one to one.")]
Failing = Annotated[FailOn, typer.Option("--fail-on", help="Exit with 1 for findings at or above this level.")]


def check(
    target: Annotated[
        str, typer.Argument(help="FILE.onnx, FILE.pt2, package.module:factory or example:NAME.", show_default=False)
    ] = "",
    inputs: Annotated[
        list[str] | None,
        typer.Option("--input", "-i", help="Shape of an example input: 1x3x64x64, 1x77:int64, name=1x3x64x64."),
    ] = None,
    output: Output = None,
    as_format: AsFormat = None,
    fail_on: Failing = FailOn.ERROR,
    rate: Annotated[float | None, typer.Option(help="Sampling rate in Hz: 1-d grids are told as tones.")] = None,
    select: Annotated[list[str] | None, typer.Option(help="Ask only these rules (codes or names).")] = None,
    ignore: Annotated[list[str] | None, typer.Option(help="Don't ask these rules.")] = None,
    fake: Annotated[bool, typer.Option("--fake", help="PyTorch: shapes only, compute nothing.")] = False,
    probe: Annotated[bool, typer.Option("--probe/--no-probe", help="Run the model on a flat field too.")] = True,
    at: Annotated[str, typer.Option(help="Layer at whose input the flat field begins; input: the network's own.")] = "",
    every_layer: EveryLayer = False,
) -> None:
    """Find uneven upsampling in a model; without TARGET, in the networks that ship with flatfield.

    Exit status: 0 nothing at or above --fail-on, 1 findings, 2 the target can't be read.
    """
    with one_line_errors():
        rules = chosen_rules(select or [], ignore or [])
        form = format_of(output, as_format)
        if at and (fake or not probe):
            raise ValueError("--at says where the probe begins: leave out --no-probe and --fake")
        if not target:
            if output is not None or form is not None or inputs or at:
                raise ValueError("-o, --format, --input and --at take one target: name one, such as example:deconv")
            raise typer.Exit(_check_examples(rules, fail_on, rate, probe=probe))
        specs = [InputSpec.parse(text) for text in inputs or []]
        with waiting(f"reading {printable(target)}"):
            opened = open_model(target, specs, fake=fake)
            report = report_on(opened.network, rate=rate, rules=rules)
        if probe and not fake:
            with waiting("running it on a flat field"):
                report = with_probe(report, opened, at=at)
        deliver(report, output, form, every_layer=every_layer)
    raise typer.Exit(status(report, fail_on))


def chosen_rules(select: list[str], ignore: list[str]) -> tuple[Rule, ...]:
    """Rules named by `--select` (all without it), less those named by `--ignore`."""
    wanted = [find_rule(code) for code in select] or list(RULES)
    unwanted = [find_rule(code) for code in ignore]
    return tuple(rule for rule in RULES if rule in wanted and rule not in unwanted)


def format_of(output: Path | None, asked: Format | None) -> str | None:
    """Format to write: what was asked for, or what the file's ending says; None for the terminal."""
    if asked is not None:
        return asked.value
    if output is None:
        return None
    ending = output.suffix.removeprefix(".").lower()
    if ending not in FORMATS:
        raise ValueError(
            f"{output}: ending {output.suffix!r} is no format; take .html, .json, .sarif or .txt, or give --format"
        )
    return ending


def deliver(report: Report, output: Path | None, form: str | None, *, every_layer: bool = False) -> None:
    """Write a report to its file, to standard output in a format, or for a person to the terminal."""
    if output is not None and form is not None:
        write_whole(output, FORMATS[form](report))
    elif form is not None:
        typer.echo(FORMATS[form](report), nl=False)
    else:
        show_page(render_terminal(report, every_layer=every_layer))


def status(report: Report, fail_on: FailOn) -> int:
    """Exit status: 1 with findings at or above the level, else 0."""
    if fail_on is FailOn.NEVER:
        return 0
    level = next(level for level in LEVELS if level == fail_on.value)
    return 1 if report.at_or_above(level) else 0


def _check_examples(rules: tuple[Rule, ...], fail_on: FailOn, rate: float | None, *, probe: bool) -> int:
    from flatfield import examples

    reports: dict[str, Report] = {}
    for name in examples.names():
        with waiting(f"example:{name}"):
            opened = open_model(f"example:{name}")
            report = report_on(opened.network, rate=rate, rules=rules)
            reports[name] = with_probe(report, opened) if probe else report
    hint = (
        "\nOne network in full: flatfield check example:NAME. Your own: flatfield check model.onnx, or "
        "flatfield check package.module:factory --input 1x3x64x64"
    )
    show_page(Group(render_terminal(reports["deconv"]), "", _overview(reports), Text(hint)))
    return max(status(report, fail_on) for report in reports.values())


def _output(report: Report) -> Text:
    """Unevenness that the probe found at the output."""
    if report.probe is None or report.probe.unevenness is None:
        return Text()
    return Text(f"{report.probe.unevenness:.3f}") if report.probe.unevenness > FLAT else Text("flat", style="green")


def _overview(reports: dict[str, Report]) -> Table:
    table = Table(
        title="The networks that ship with flatfield",
        title_justify="left",
        box=None,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for heading in ("example", "worst layer", "uneven", "periods", "probe", "errors", "warnings", "notes"):
        table.add_column(heading, no_wrap=True)
    for name, report in reports.items():
        grids = [layer for layer in report.layers if (layer.unevenness or 0.0) > 0.0]
        worst = max(grids, key=lambda layer: layer.unevenness or 0.0, default=None)
        heard = sorted({max(layer.period) for layer in grids if max(layer.period) > 1})
        counts = [sum(finding.level == level for finding in report.findings) for level in LEVELS]
        table.add_row(
            name,
            worst.name if worst else "",
            f"{worst.unevenness:.3f}" if worst else Text("flat", style="green"),
            ", ".join(map(str, heard)),
            _output(report),
            *(str(count) if count else "" for count in counts),
        )
    return table
