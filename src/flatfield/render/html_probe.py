"""ProbeView: what a network made of a flat field, as an HTML page shows it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flatfield.core import FLAT, decibels
from flatfield.render.html_layers import times
from flatfield.render.lacks import lacks
from flatfield.render.png import png_address
from flatfield.report import ProbeLayerReport, ProbeReport, ToneReport

_MOST_CHANNELS = 4
_SHOWN = 32  # positions each way, at least: a period is repeated until the eye sees a grid
_MANY_TONES = 8


@dataclass(frozen=True)
class Picture:
    """A picture of a tile: its address holds its pixels."""

    address: str
    caption: str


@dataclass(frozen=True)
class ProbeView:
    """The probe's part of the page; `flat` where the output is even; `verdict` is good, bad, or nothing to say."""

    start: str
    flat: bool
    verdict: str
    headline: str
    facts: tuple[tuple[str, str], ...]
    layers: tuple[ProbeLayerReport, ...]
    pictures: tuple[Picture, ...]
    tones: tuple[ToneReport, ...]
    lacks: tuple[str, ...]


def probe_view(probe: ProbeReport | None) -> ProbeView | None:
    """Give the view of what the probe found, or None where it did not run.

    >>> probe_view(ProbeReport(0.5, 0.1, (2, 2))).headline
    'unevenness 0.500 (-6.0 dB), 0.1 peak to peak, period 2'
    """
    if probe is None:
        return None
    flat = probe.unevenness is not None and probe.unevenness <= FLAT
    exact = " (not exact: see what is not honoured below)" if probe.unhonoured else ""
    return ProbeView(
        start=("on a flat input" if probe.start == "input" else f"on a flat field, from {probe.start} on") + exact,
        flat=flat,
        verdict="" if probe.unevenness is None else "good" if flat else "bad",
        headline=_headline(probe, flat),
        facts=tuple(_facts(probe)),
        layers=tuple(layer for layer in probe.layers if layer.alone is not None),
        pictures=_pictures(probe, flat),
        tones=tuple(sorted(probe.tones, key=lambda tone: -tone.level)[:_MANY_TONES]),
        lacks=tuple(lacks(probe)),
    )


def _headline(probe: ProbeReport, flat: bool) -> str:
    if probe.unevenness is None:
        return "no output that has positions"
    if flat:
        return "the output is flat"
    loud = f"unevenness {probe.unevenness:.3f} ({decibels(probe.unevenness):.1f} dB)"
    period = f"period {times(probe.period)}" if probe.period else "no period seen"
    return f"{loud}, {probe.peak_to_peak or 0.0:.3g} peak to peak, {period}"


def _facts(probe: ProbeReport) -> list[tuple[str, str]]:
    facts = []
    if probe.ramp is not None:
        facts.append(("grid on a ramp, relative to its rise over a period", f"{probe.ramp:.3f}"))
    if probe.stripes is not None:
        facts.append(("unevenness along stripes", f"{probe.stripes:.3f}"))
    gradient = probe.gradient
    if gradient is not None:
        period = times(gradient.period) if gradient.period else "1"
        facts.append(("a flat gradient at the output, at the input", f"{gradient.unevenness:.3f}, period {period}"))
        if gradient.strength is not None and gradient.chance is not None:
            share = f"{100 * gradient.strength:.0f}%, {100 * gradient.chance:.0f}% by chance"
            facts.append((f"strength of its mean over {gradient.inputs} inputs", share))
        if gradient.variance_unevenness is not None:
            facts.append((f"of its variance over {gradient.inputs} inputs", f"{gradient.variance_unevenness:.3f}"))
        if gradient.jittered is not None:
            facts.append((f"averaged over {gradient.shifts} shifts of the input", f"{gradient.jittered:.3f}"))
    return facts


def _pictures(probe: ProbeReport, flat: bool) -> tuple[Picture, ...]:
    """One period of the output, repeated: in colour where there are three channels, else the first few in grey."""
    shape = probe.tile_shape
    if len(shape) not in (2, 3, 4) or int(np.prod(shape)) != len(probe.tile) or not probe.tile:
        return ()
    tile = np.array(probe.tile).reshape(shape)
    if tile.ndim == 2:
        tile = tile[:, None, :]  # sound: a stripe
    volume = tile.ndim == 4
    if volume:
        tile = tile[:, shape[1] // 2]
    where = ", the middle slice" if volume else ""
    if len(tile) == 3:
        planes, names = [tile], [""]
    else:
        planes = list(tile[:_MOST_CHANNELS])
        names = [f"channel {c + 1} of {len(tile)}, " if len(tile) > 1 else "" for c in range(len(planes))]
    magnified = Picture(_address(planes[0], flat, 1), f"{names[0]}one period, magnified{where}")
    repeated = [
        Picture(_address(plane, flat, _SHOWN), f"{name}repeated{where}")
        for plane, name in zip(planes, names, strict=True)
    ]
    return tuple(repeated) if flat else (magnified, *repeated)


def _address(plane: npt.NDArray[np.float64], flat: bool, shown: int) -> str:
    grey = _grey(plane, flat, shown)
    return png_address(grey.transpose(1, 2, 0) if grey.ndim == 3 else grey)


def _grey(tile: npt.NDArray[np.float64], flat: bool, shown: int) -> npt.NDArray[np.uint8]:
    tile = tile / (float(np.abs(tile).max()) or 1.0)  # the span of very large numbers would overflow
    least, most = float(tile.min()), float(tile.max())
    # what is flat stays flat: rounding is not stretched into a grid
    share = np.full(tile.shape, 0.6) if flat or most <= least else (tile - least) / (most - least)
    height, width = tile.shape[-2:]
    repeats = (1,) * (tile.ndim - 2) + (max(1, shown // height), max(1, shown // width))
    return np.tile((255 * share).round().astype(np.uint8), repeats)
