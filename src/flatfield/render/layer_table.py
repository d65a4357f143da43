"""LayerTable: the layers of a report as a table that gives up columns, never the names, where room is short."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from flatfield.core import FLAT, decibels
from flatfield.core.taps import Ints
from flatfield.network import UPSAMPLING
from flatfield.render.bars import big_number, phase_bars
from flatfield.render.printable import printable
from flatfield.report import LayerReport

_ROOMY = 110  # columns from which on everything fits beside a name
_FEW_TONES = 3


@dataclass(frozen=True)
class LayerTable:
    """One row a layer. A narrow page goes without decibels, multiply-adds and long bars."""

    layers: tuple[LayerReport, ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Give rich a table that fits its page."""
        yield self._table(roomy=options.max_width >= _ROOMY)

    def _table(self, *, roomy: bool) -> Table:
        table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2 if roomy else 1, 0, 0))
        table.add_column("layer", overflow="fold", min_width=12 if roomy else 8)
        for heading in ("operator", "kernel", "stride", "overlap", "phases"):
            table.add_column(heading, no_wrap=True)
        for heading in ("unevenness", "period"):
            table.add_column(heading, justify="right", no_wrap=True)
        sounds = any(layer.tones for layer in self.layers)
        if sounds:
            table.add_column("hums at", no_wrap=roomy)
        if roomy:
            table.add_column("mult-adds", no_wrap=True, justify="right")
        for layer in self.layers:
            row = [*_geometry(layer), *_grid(layer, roomy=roomy)]
            if sounds:
                row.append(Text(_hum(layer.tones)))
            if roomy:
                row.append(Text(big_number(layer.multiply_adds) if layer.multiply_adds else ""))
            table.add_row(*row)
        return table


def _geometry(layer: LayerReport) -> list[Text]:
    resamples = max(layer.stride, default=1) > 1
    return [
        Text(printable(layer.name)),
        Text(printable(f"{layer.operator} {layer.mode}".strip())),
        Text(_times(layer.kernel)),
        Text(_times(layer.stride)),
        _overlap(layer) if resamples else Text(),
    ]


def _grid(layer: LayerReport, *, roomy: bool) -> list[Text]:
    upsamples = layer.operator in UPSAMPLING and max(layer.stride, default=1) > 1
    return [
        Text(phase_bars(layer.phases, width=16 if roomy else 8)),
        _unevenness(layer, roomy=roomy) if upsamples else Text(),
        Text(_times(layer.period) if upsamples and max(layer.period, default=1) > 1 else ""),
    ]


def _times(numbers: Ints) -> str:
    return str(numbers[0]) if len(set(numbers)) == 1 else "x".join(map(str, numbers))


def _overlap(layer: LayerReport) -> Text:
    least, most = layer.overlap.least, layer.overlap.most
    uneven = layer.operator in UPSAMPLING and least != most
    return Text(str(most) if least == most else f"{least}..{most}", style="red" if uneven else "")


def _unevenness(layer: LayerReport, *, roomy: bool) -> Text:
    if layer.unevenness is None:
        return Text("unknown", style="dim")
    if layer.unevenness <= FLAT:
        return Text("flat", style="green")
    style = "red" if layer.overlap.least != layer.overlap.most else "yellow"
    loud = f" {decibels(layer.unevenness):6.1f} dB" if roomy else ""
    return Text(f"{layer.unevenness:.3f}{loud}", style=style)


def _hum(tones: tuple[float, ...]) -> str:
    """A few tones in full; of many, the first, which the others are multiples of."""
    if len(tones) > _FEW_TONES:
        return f"{tones[0]:.1f} Hz and multiples"
    return ", ".join(f"{tone:.1f}" for tone in tones) + (" Hz" if tones else "")
