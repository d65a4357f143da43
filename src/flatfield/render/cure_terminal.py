"""CurePlan and CureReport -> what a person reads in a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from flatfield.core import FLAT
from flatfield.cure_report import CurePlan, CureReport, Figures
from flatfield.render.bars import big_number
from flatfield.render.printable import printable
from flatfield.render.terminal import plain_text


def render_plan(plan: CurePlan) -> RenderableType:
    """Give a plan as something rich prints: the layers that are changed, and those that are not, each with its reason.

    >>> from flatfield.cure_report import CureStep
    >>> step = CureStep("up", "ConvTranspose", "nearest flat weights", "unevenness 0.436")
    >>> print(plain_text(render_plan(CurePlan("m.onnx", "flatten", (step,))), width=80), end="")
    m.onnx: flatten
    layer operator      action               because
    up    ConvTranspose nearest flat weights unevenness 0.436
    """
    return Group(_title(plan), *_steps(CureReport(plan)), *_refused(plan))


def render_cure(report: CureReport) -> RenderableType:
    """Give a cure as something rich prints: plan, unevenness before and after, grid, change of the outputs, cost.

    >>> print(plain_text(render_cure(CureReport(CurePlan("m.onnx", "flatten"))), width=80), end="")
    m.onnx: flatten
    no layer is changed
    """
    parts = [_title(report.plan), *_steps(report), *_refused(report.plan)]
    rows = list(cure_rows(report))
    if rows:
        parts += [Text(), _figures(rows)]
    parts += [Padding(Text(printable(note)), (1, 0, 0, 0)) for note in report.notes]
    return Group(*parts)


def render_cure_text(report: CureReport, *, width: int = 120) -> str:
    """Give a cure as plain text without colour.

    >>> render_cure_text(CureReport(CurePlan("m.onnx", "icnr"))).splitlines()[0]
    'm.onnx: icnr'
    """
    return plain_text(render_cure(report), width=width)


def _title(plan: CurePlan) -> Text:
    return Text.assemble((printable(plan.target), "bold"), f": {plan.how}")


def _steps(report: CureReport) -> Iterator[RenderableType]:
    if not report.plan.steps:
        yield Text("no layer is changed", style="dim")
        return
    measured = bool(report.before.layers)
    table = _table("layer", "operator", "action", "because", *(["unevenness"] if measured else []))
    before, after = (_by_name(figures) for figures in (report.before, report.after))
    for step in report.plan.steps:
        row = [Text(printable(text)) for text in (step.layer, step.operator, step.action, step.because)]
        if measured:
            row.append(_change(before.get(step.layer), after.get(step.layer)) if step.layer in before else Text())
        table.add_row(*row)
    yield table


def _by_name(figures: Figures) -> dict[str, float | None]:
    return {layer.name: layer.unevenness for layer in figures.layers}


def _change(before: float | None, after: float | None) -> Text:
    return Text.assemble(_uneven(before), " → ", _uneven(after))


def _uneven(unevenness: float | None) -> Text:
    if unevenness is None:
        return Text("unknown", style="dim")
    return Text("flat", style="green") if unevenness <= FLAT else Text(f"{unevenness:.3f}", style="red")


def _refused(plan: CurePlan) -> Iterator[RenderableType]:
    if plan.refused:
        yield Text()
        yield Text("left as they are", style="bold")
        for refusal in plan.refused:
            yield Text(printable(f"  {refusal.layer} ({refusal.operator}): {refusal.because}"))


def cure_rows(report: CureReport) -> Iterator[tuple[str, str, str]]:
    """What was measured, before and after: a name, and a figure for each; in the order in which a person asks.

    >>> list(cure_rows(CureReport(CurePlan("m", "fuse"), Figures(multiply_adds=3600), Figures(multiply_adds=1600))))
    [('multiply-adds', '3.6k', '1.6k')]
    """
    old, new = report.before, report.after
    for name, before, after in (
        ("on a flat field: unevenness", _probe(old), _probe(new)),
        ("on a flat field: peak to peak", _peak(old), _peak(new)),
        ("grid in natural outputs, rms", _number(old.natural), _number(new.natural)),
        ("periods found in them", _periods(old), _periods(new)),
        ("of a flat gradient: unevenness", _gradient(old), _gradient(new)),
        ("multiply-adds", _count(old.multiply_adds), _count(new.multiply_adds)),
        ("milliseconds", _number(old.milliseconds), _number(new.milliseconds)),
    ):
        if before or after:
            yield name, before, after
    if report.change is not None:
        yield "outputs moved by, of their size", "", f"{report.change.relative:.2g}"
        yield "outputs moved by, at most", "", f"{report.change.largest:.3g}"
        if report.change.psnr is not None:
            yield "PSNR to the original's outputs", "", f"{report.change.psnr:.1f} dB"


def _figures(rows: list[tuple[str, str, str]]) -> Table:
    table = _table("", "before", "after")
    for column in (1, 2):
        table.columns[column].justify = "right"
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _probe(figures: Figures) -> str:
    if figures.probe is None or figures.probe.unevenness is None:
        return ""
    return f"{figures.probe.unevenness:.2g}"


def _peak(figures: Figures) -> str:
    return _number(figures.probe.peak_to_peak) if figures.probe else ""


def _gradient(figures: Figures) -> str:
    if figures.probe is None or figures.probe.gradient is None:
        return ""
    return f"{figures.probe.gradient.unevenness:.3f}"


def _number(number: float | None) -> str:
    return "" if number is None else f"{number:.3g}"


def _periods(figures: Figures) -> str:
    if figures.p_value is None:
        return ""
    return f"{', '.join(map(str, figures.lattice)) or 'none'} (p {figures.p_value:.1g})"


def _count(number: int) -> str:
    return big_number(number) if number else ""
