"""Report -> what a person reads in a terminal."""

from __future__ import annotations

import io
from collections.abc import Iterator

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from flatfield.core import FLAT, decibels
from flatfield.network import UPSAMPLING
from flatfield.render.bars import big_number, phase_bars
from flatfield.report import LEVELS, Finding, LayerReport, Level, Report

_STYLE: dict[Level, str] = {"error": "bold red", "warning": "bold yellow", "note": "bold blue"}
_MANY_NOTES = 6


def render_terminal(report: Report, *, every_layer: bool = False) -> RenderableType:
    """Give a report as something rich prints: layers, findings by level, and what to do.

    Layers that keep their positions one to one are counted, not listed, unless `every_layer`.
    """
    parts = [Text(report.target, style="bold"), *_layers(report, every_layer), *_findings(report)]
    return Group(*parts, *_unread(report), _advice(report))


def render_text(report: Report, *, width: int = 120, every_layer: bool = True) -> str:
    """Give a report as plain text without colour.

    >>> print(render_text(Report(target="empty.onnx")).splitlines()[0])
    empty.onnx
    """
    page = Console(file=io.StringIO(), width=width, color_system=None, legacy_windows=False)
    page.print(render_terminal(report, every_layer=every_layer))
    assert isinstance(page.file, io.StringIO)
    return page.file.getvalue()


def _layers(report: Report, every_layer: bool) -> Iterator[RenderableType]:
    shown = [layer for layer in report.layers if every_layer or resamples(layer)]
    if shown:
        yield _table(shown)
    hidden = len(report.layers) - len(shown)
    if hidden:
        yield Text(f"and {hidden} layers that keep their positions one to one (--all lists them)", style="dim")
    elif not report.layers:
        yield Text("no layer that looks at more than one position", style="dim")


def resamples(layer: LayerReport) -> bool:
    """True when a layer changes how many positions there are."""
    return max(layer.stride, default=1) > 1 or layer.operator in ("Resize", "Unpool")


def _table(layers: list[LayerReport]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("layer", overflow="fold", min_width=12)
    for heading in ("operator", "kernel", "stride", "overlap"):
        table.add_column(heading, no_wrap=True)
    table.add_column("phases", no_wrap=True)
    table.add_column("unevenness", justify="right", no_wrap=True)
    table.add_column("period", no_wrap=True, justify="right")
    table.add_column("mult-adds", no_wrap=True, justify="right")
    for layer in layers:
        tall = max(layer.stride, default=1) > 1
        up = layer.operator in UPSAMPLING and tall
        table.add_row(
            escape(layer.name),
            f"{layer.operator} {layer.mode}".strip(),
            _times(layer.kernel),
            _times(layer.stride),
            _overlap(layer) if tall else "",
            phase_bars(layer.phases),
            _unevenness(layer) if up else "",
            _times(layer.period) if up and max(layer.period) > 1 else "",
            big_number(layer.multiply_adds) if layer.multiply_adds else "",
        )
    return table


def _times(numbers: tuple[int, ...]) -> str:
    return str(numbers[0]) if len(set(numbers)) == 1 else "x".join(map(str, numbers))


def _overlap(layer: LayerReport) -> Text:
    least, most = layer.overlap.least, layer.overlap.most
    uneven = layer.operator in UPSAMPLING and least != most
    return Text(str(most) if least == most else f"{least}..{most}", style="red" if uneven else "")


def _unevenness(layer: LayerReport) -> Text:
    if layer.unevenness is None:
        return Text("unknown", style="dim")
    if layer.unevenness <= FLAT:
        return Text("flat", style="green")
    style = "red" if layer.overlap.least != layer.overlap.most else "yellow"
    return Text(f"{layer.unevenness:.3f} {decibels(layer.unevenness):6.1f} dB", style=style)


def _findings(report: Report) -> Iterator[RenderableType]:
    for level in LEVELS:
        found = [finding for finding in report.findings if finding.level == level]
        if not found:
            continue
        yield Text()
        yield Text(f"{len(found)} {level}{'s' if len(found) > 1 else ''}", style=_STYLE[level])
        if level != "note" or len(found) <= _MANY_NOTES:
            yield from (_finding(finding) for finding in found)
        else:
            yield from _gathered(found)


def _finding(finding: Finding) -> RenderableType:
    head = Text.assemble((finding.code, _STYLE[finding.level]), " ", (finding.layer, "bold"), ": ", finding.message)
    return Padding(Group(head, Text(f"  → {finding.cure}", style="dim")), (0, 0, 0, 2), expand=False)


def _gathered(findings: list[Finding]) -> Iterator[RenderableType]:
    """Notes of one code in one line: a long network has one at every layer."""
    for code in dict.fromkeys(finding.code for finding in findings):
        same = [finding for finding in findings if finding.code == code]
        others = f", and {len(same) - 1} more like it" if len(same) > 1 else ""
        first = same[0]
        head = Text.assemble((code, _STYLE["note"]), " ", (first.layer, "bold"), ": ", first.message, (others, "bold"))
        yield Padding(Group(head, Text(f"  → {first.cure}", style="dim")), (0, 0, 0, 2), expand=False)


def _unread(report: Report) -> Iterator[RenderableType]:
    if report.unread:
        yield Text()
        yield Text(f"{len(report.unread)} not understood (their grids, if any, are not in this report)", style="bold")
        for unread in report.unread:
            yield Text(f"  {unread.name} ({unread.operator}): {unread.reason}")


def _advice(report: Report) -> RenderableType:
    serious = report.at_or_above("warning")
    if not serious:
        clean = "No layer draws a grid." if not report.unread else "No understood layer draws a grid."
        return Text(f"\n{clean}", style="bold green")
    worst = serious[0]
    return Text.assemble(
        "\n",
        ("What to do: ", "bold"),
        f"start with {worst.layer}: {worst.cure}. More: ",
        (f"flatfield explain {worst.code}", "bold"),
    )
