"""Report -> what a person reads in a terminal."""

from __future__ import annotations

import io
from collections.abc import Iterator

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from flatfield.core import FLAT
from flatfield.render.layer_table import LayerTable
from flatfield.render.printable import printable
from flatfield.render.profile_table import profile_lines
from flatfield.report import LEVELS, Finding, LayerReport, Level, Report

_STYLE: dict[Level, str] = {"error": "bold red", "warning": "bold yellow", "note": "bold blue"}
_MANY_NOTES = 6


def render_terminal(report: Report, *, every_layer: bool = False) -> RenderableType:
    """Give a report as something rich prints: layers, findings by level, and what to do.

    Layers that keep their positions one to one are counted, not listed, unless `every_layer`.

    >>> Console().print(render_terminal(Report(target="empty.onnx")))
    empty.onnx
    no layer that looks at more than one position
    <BLANKLINE>
    No layer draws a grid.
    """
    parts = [Text(printable(report.target), style="bold"), *_layers(report, every_layer), *profile_lines(report)]
    return Group(*parts, *_findings(report), *_unread(report), _advice(report))


def render_text(report: Report, *, width: int = 120, every_layer: bool = True) -> str:
    """Give a report as plain text without colour.

    >>> print(render_text(Report(target="empty.onnx")).splitlines()[0])
    empty.onnx
    """
    return plain_text(render_terminal(report, every_layer=every_layer), width=width)


def plain_text(page: RenderableType, *, width: int) -> str:
    """Lay out what a terminal would show as lines of text: no colour, no blanks at the ends.

    >>> plain_text(Text("a grid of period 2", style="red"), width=12)
    'a grid of\\nperiod 2\\n'
    """
    console = Console(file=io.StringIO(), width=width, color_system=None, legacy_windows=False)
    console.print(page)
    assert isinstance(console.file, io.StringIO)
    return "".join(f"{line.rstrip()}\n" for line in console.file.getvalue().splitlines())


def _layers(report: Report, every_layer: bool) -> Iterator[RenderableType]:
    shown = [layer for layer in report.layers if every_layer or resamples(layer)]
    if shown:
        yield LayerTable(tuple(shown))
    hidden = len(report.layers) - len(shown)
    if hidden:
        some = "1 layer that keeps its" if hidden == 1 else f"{hidden} layers that keep their"
        yield Text(f"and {some} positions one to one (--all lists them)", style="dim")
    elif not report.layers:
        yield Text("no layer that looks at more than one position", style="dim")


def resamples(layer: LayerReport) -> bool:
    """True when a layer changes how many positions there are."""
    return max(layer.stride, default=1) > 1 or layer.operator in ("Resize", "Unpool")


def _findings(report: Report) -> Iterator[RenderableType]:
    for level in LEVELS:
        found = [finding for finding in report.findings if finding.level == level]
        if not found:
            continue
        yield Text()
        yield Text(f"{len(found)} {level}{'s' if len(found) > 1 else ''}", style=_STYLE[level])
        if level != "note" or len(found) <= _MANY_NOTES:
            yield from (_told(finding, "") for finding in found)
        else:
            yield from _gathered(found)


def _gathered(findings: list[Finding]) -> Iterator[RenderableType]:
    """Notes of one code in one line: a long network has one at every layer."""
    for code in dict.fromkeys(finding.code for finding in findings):
        same = [finding for finding in findings if finding.code == code]
        others = f", and {len(same) - 1} more like it" if len(same) > 1 else ""
        yield _told(same[0], others)


def _told(finding: Finding, others: str) -> RenderableType:
    code, layer = printable(finding.code), printable(finding.layer)
    message, cure = printable(finding.message), printable(finding.cure)
    head = Text.assemble((code, _STYLE[finding.level]), " ", (layer, "bold"), ": ", message, (others, "bold"))
    return Padding(Group(head, Padding(Text(f"→ {cure}", style="dim"), (0, 0, 0, 2))), (0, 0, 0, 2), expand=False)


def _unread(report: Report) -> Iterator[RenderableType]:
    if report.unread:
        yield Text()
        yield Text(f"{len(report.unread)} not understood (their grids, if any, are not in this report)", style="bold")
        for unread in report.unread:
            yield Text(printable(f"  {unread.name} ({unread.operator}): {unread.reason}"))


def _advice(report: Report) -> RenderableType:
    serious = report.at_or_above("warning")
    drawn = report.probe is not None and (report.probe.unevenness or 0.0) > FLAT
    if not serious and drawn:
        return Text("\nNo rule names a layer, but on a flat field the output is uneven.", style="bold yellow")
    if not serious:
        clean = "No layer draws a grid." if not report.unread else "No understood layer draws a grid."
        return Text(f"\n{clean}", style="bold green")
    guilty = report.probe.guilty if report.probe else None
    worst = next((f for f in serious if guilty and f.layer == guilty.name), serious[0])
    return Text.assemble(
        "\n",
        ("What to do: ", "bold"),
        printable(f"start with {worst.layer}: {worst.cure}. More: "),
        (printable(f"flatfield explain {worst.code}"), "bold"),
    )
