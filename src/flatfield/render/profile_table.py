"""The probe's profile as a table, like a profiler's: which layer costs you the grid."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from flatfield.core import FLAT, decibels
from flatfield.render.lacks import lacks
from flatfield.render.printable import printable
from flatfield.report import GradientReport, ProbeLayerReport, ProbeReport, Report

_MANY_TONES = 8


def profile_lines(report: Report) -> Iterator[RenderableType]:
    """Give what the probe found, or nothing where it did not run.

    >>> probe = ProbeReport(0.5, 0.1, (2, 2), start="up", stripes=0.2)
    >>> print(*(line.plain for line in profile_lines(Report("m", probe=probe)) if isinstance(line, Text)), sep="|")
    |On a flat field, from up on: unevenness 0.500 (-6.0 dB), 0.1 peak to peak, period 2|along stripes 0.200
    """
    probe = report.probe
    if probe is None:
        return
    yield Text()
    if probe.unevenness is not None:
        yield _headline(probe)
        rows = [layer for layer in probe.layers if layer.alone is not None]
        if rows and probe.unevenness > FLAT:
            yield _table(rows)
    beyond = [("on a ramp, relative to its rise over a period,", probe.ramp), ("along stripes", probe.stripes)]
    told = [f"{name} {value:.3f}" for name, value in beyond if value is not None]
    if told:
        yield Text("; ".join(told), style="dim")
    yield from _tones(probe)
    if probe.gradient is not None:
        yield _gradient(probe.gradient)
    yield from (Text(printable(line)) for line in lacks(probe))


def _headline(probe: ProbeReport) -> Text:
    where = "On a flat input" if probe.start == "input" else f"On a flat field, from {probe.start} on"
    if probe.unhonoured:
        where += " (not exact: see what is not honoured below)"
    if (probe.unevenness or 0.0) <= FLAT:
        return Text.assemble(printable(f"{where}: "), ("the output is flat", "green"))
    decibel = decibels(probe.unevenness or 0.0)
    return Text.assemble(
        printable(f"{where}: unevenness "),
        (f"{probe.unevenness:.3f} ({decibel:.1f} dB)", "bold"),
        f", {probe.peak_to_peak or 0.0:.3g} peak to peak",
        f", period {_times(probe.period)}" if probe.period else ", no period seen",
    )


def _table(rows: list[ProbeLayerReport]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("layer", overflow="fold", min_width=12)
    for heading in ("share", "peak to peak", "period", "before", "after", "alone"):
        table.add_column(heading, justify="right", no_wrap=True)
    most = max(layer.share or 0.0 for layer in rows)
    for layer in rows:
        worst = layer.share is not None and layer.share == most > 0
        table.add_row(
            Text(printable(layer.name)),
            Text(f"{100 * (layer.share or 0.0):.1f}%", style="bold red" if worst else ""),
            f"{layer.peak_to_peak or 0.0:.3g}" if layer.share else "",
            _times(layer.period) if layer.share else "",
            f"{layer.before:.3f}",
            f"{layer.after:.3f}",
            Text(f"{layer.alone:.3f}") if (layer.alone or 0.0) > FLAT else Text("flat", style="green"),
        )
    return table


def _tones(probe: ProbeReport) -> Iterator[RenderableType]:
    loudest = sorted(probe.tones, key=lambda tone: -tone.level)[:_MANY_TONES]
    if loudest:
        told = ", ".join(f"{tone.frequency:.0f} Hz {tone.level:.0f} dB" for tone in loudest)
        more = len(probe.tones) - len(loudest)
        yield Text(f"tones: {told}" + (f", and {more} weaker ones" if more else ""))


def _gradient(gradient: GradientReport) -> Text:
    told = f"Of a flat gradient at the output: unevenness {gradient.unevenness:.3f} at the input, period "
    told += _times(gradient.period)
    if gradient.inputs > 1:
        told += f" (mean over {gradient.inputs} random inputs"
        if gradient.strength is not None and gradient.chance is not None:
            told += f": {100 * gradient.strength:.0f}% of the gradient's rms, {100 * gradient.chance:.0f}% by chance"
        told += f"; of the variance {gradient.variance_unevenness:.3f})" if gradient.variance_unevenness else ")"
    if gradient.jittered is not None:
        told += f"; averaged over {gradient.shifts} shifts of the input {100 * gradient.jittered:.0f}% of it is left"
    return Text(told)


def _times(numbers: tuple[int, ...]) -> str:
    return str(numbers[0]) if len(set(numbers)) == 1 else "x".join(map(str, numbers))
