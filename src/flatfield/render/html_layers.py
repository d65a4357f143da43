"""LayerView: one layer of a report as an HTML page shows it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flatfield.core import FLAT, decibels
from flatfield.core.grid_lines import grid_lines
from flatfield.core.taps import Ints
from flatfield.network import UPSAMPLING
from flatfield.render.bars import big_number
from flatfield.report import LayerReport, Report

_MOST_CELLS = 1024


@dataclass(frozen=True)
class Cell:
    """One square of a map: where, how strong from 0 to 1, and its number."""

    x: int
    y: int
    share: float
    label: str


@dataclass(frozen=True)
class Map:
    """Numbers as a small picture: `columns` x `rows` cells; a volume is cut in slices that stand side by side."""

    columns: int
    rows: int
    cells: tuple[Cell, ...]

    @property
    def numbered(self) -> bool:
        """True when the cells are few enough to hold their numbers."""
        return len(self.cells) <= 16


@dataclass(frozen=True)
class LayerView:
    """What the page says of a layer; texts are as they came, for the template escapes them."""

    anchor: str
    name: str
    kind: str
    kernel: str
    stride: str
    size: str
    overlap: str
    unevenness: str
    verdict: str
    bar: float
    period: str
    multiply_adds: str
    tones: str
    resamples: bool
    gains: Map | None
    lines: Map | None


def layer_views(report: Report, prefix: str = "") -> list[LayerView]:
    """Give every layer of a report its view; anchors begin with `prefix`.

    >>> layer_views(Report(target="empty.onnx"))
    []
    """
    return [_view(f"{prefix}layer-{index}", layer) for index, layer in enumerate(report.layers)]


def _view(anchor: str, layer: LayerReport) -> LayerView:
    upsamples = layer.operator in UPSAMPLING and max(layer.stride, default=1) > 1
    uneven = layer.unevenness if upsamples else None
    levels = _levels(layer)
    return LayerView(
        anchor=anchor,
        name=layer.name,
        kind=" ".join(filter(None, (layer.operator, layer.mode))),
        kernel=times(layer.kernel),
        stride=times(layer.stride),
        size=f"{times(layer.input_size)} → {times(layer.output_size)}" if layer.output_size else "",
        overlap=_overlap(layer) if max(layer.stride, default=1) > 1 else "",
        unevenness=_uneven(uneven) if upsamples else "",
        verdict=_verdict(layer, uneven) if upsamples else "",
        bar=min(1.0, uneven or 0.0),
        period=times(layer.period) if upsamples and max(layer.period, default=1) > 1 else "",
        multiply_adds=big_number(layer.multiply_adds) if layer.multiply_adds else "",
        tones=", ".join(f"{tone:.1f} Hz" for tone in layer.tones[:4]) + (" …" if len(layer.tones) > 4 else ""),
        resamples=max(layer.stride, default=1) > 1 or layer.operator in ("Resize", "Unpool"),
        gains=None if levels is None else draw_map(levels),
        lines=None if levels is None or (uneven or 0.0) <= FLAT else draw_map(grid_lines(levels)),
    )


def _levels(layer: LayerReport) -> npt.NDArray[np.float64] | None:
    if not 1 < len(layer.phases) <= _MOST_CELLS or len(layer.phases) != math.prod(layer.stride):
        return None
    return np.array(layer.phases, dtype=np.float64).reshape(layer.stride)


def draw_map(numbers: npt.NDArray[np.float64]) -> Map:
    """Lay numbers out as cells, weakest 0, strongest 1; all alike: all 0.5.

    >>> [cell.share for cell in draw_map(np.array([2.0, 1.0])).cells]
    [1.0, 0.0]
    """
    plane = np.atleast_2d(numbers)
    plane = np.concatenate(list(plane.reshape(-1, *plane.shape[-2:])), axis=1)
    peak = float(np.abs(plane).max()) or 1.0
    scaled = plane / peak  # the span of very large numbers would overflow
    least, most = float(scaled.min()), float(scaled.max())
    span = most - least if most - least > 1e-3 else 0.0
    cells = tuple(
        Cell(x, y, round((float(scaled[y, x]) - least) / span, 3) if span else 0.5, _short(float(plane[y, x])))
        for y, x in np.ndindex(*plane.shape)
    )
    return Map(plane.shape[1], plane.shape[0], cells)


def _short(number: float) -> str:
    return f"{number:.2f}" if abs(number) < 1000 else f"{number:.1e}"


def times(numbers: Ints) -> str:
    """Spell one number an axis: once where all are alike.

    >>> times((3, 3)), times((1, 8))
    ('3', '1 x 8')
    """
    return str(numbers[0]) if len(set(numbers)) == 1 else " x ".join(map(str, numbers))


def _overlap(layer: LayerReport) -> str:
    least, most = layer.overlap.least, layer.overlap.most
    return str(most) if least == most else f"{least} to {most}"


def _uneven(unevenness: float | None) -> str:
    if unevenness is None:
        return "unknown"
    if unevenness <= FLAT:
        return "flat"
    return f"{unevenness:.3f} ({decibels(unevenness):.1f} dB)"


def _verdict(layer: LayerReport, unevenness: float | None) -> str:
    if unevenness is None:
        return "unknown"
    if unevenness <= FLAT:
        return "flat"
    return "uneven" if layer.overlap.least != layer.overlap.most else "even-overlap"
