"""Finding and Report: what flatfield has to say about a network, as plain frozen data with a schema version.

A saved report is the seam between reading a network and showing it: `Report.to_json` and `Report.from_json`
lose nothing, and every renderer takes a `Report`.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Literal

from flatfield.core.taps import Ints, Pairs
from flatfield.record import from_json, to_json

SCHEMA_VERSION = 1
Level = Literal["error", "warning", "note"]
LEVELS: tuple[Level, ...] = ("error", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """One thing a rule has found: where, how bad, what exactly, and what to do."""

    code: str
    level: Level
    layer: str
    message: str
    cure: str


@dataclass(frozen=True)
class OverlapRange:
    """How many inputs write to an output: the least and the most over all phases."""

    least: int
    most: int


@dataclass(frozen=True)
class LayerReport:
    """One layer of the network; lists hold one number an axis.

    `unevenness` is None where the weights could not be read; `phases` are the gains of the phases along the
    strongest grid that the layer can draw, relative to their rms, flattened (all 1: flat); `period` is how far apart
    the same phase comes again, in positions of the network's output (1: a later layer removes it, or it does not
    arrive); `tones` are frequencies in Hz at which the grid of a 1-d layer sounds, if a sampling rate was given.
    """

    name: str
    operator: str
    kernel: Ints
    stride: Ints
    padding: Pairs
    dilation: Ints
    groups: int
    weight_shape: Ints
    overlap: OverlapRange
    unevenness: float | None
    period: Ints
    multiply_adds: int
    mode: str = ""
    input_size: Ints = ()
    output_size: Ints = ()
    phases: tuple[float, ...] = ()
    tones: tuple[float, ...] = ()


@dataclass(frozen=True)
class UnreadReport:
    """An operator that changes sizes or positions and was not understood."""

    name: str
    operator: str
    reason: str


@dataclass(frozen=True)
class ToneReport:
    """One tone of a grid in sound: frequency in Hz, level in dB below a sine of amplitude 1."""

    frequency: float
    level: float


@dataclass(frozen=True)
class ProbeLayerReport:
    """One layer as a flat field passed it.

    `before` and `after` are the unevenness of what arrives and what leaves, `alone` of what leaves when all earlier
    layers are flat (None for layers that do not upsample: they bring nothing in); `share` is this layer's part of
    the grid's power at the output; `peak_to_peak` (output units) and `period` (output positions) are of that part.
    """

    name: str
    operator: str
    before: float
    after: float
    alone: float | None = None
    share: float | None = None
    peak_to_peak: float | None = None
    period: Ints = ()


@dataclass(frozen=True)
class GradientReport:
    """What a flat gradient at the output becomes at the input: the grid of saliency maps and discriminators.

    `unevenness` is of the mean over `inputs` inputs (1: a flat field, exact), `variance_unevenness` of the variance.
    `strength` is the rms of that mean relative to the gradient's, `chance` what so many inputs make of no mean at all.
    `jittered` is what is left of the grid's rms after averaging over `shifts` shifts of the input.
    """

    unevenness: float
    period: Ints
    inputs: int = 1
    variance_unevenness: float | None = None
    jittered: float | None = None
    shifts: int = 0
    strength: float | None = None
    chance: float | None = None


@dataclass(frozen=True)
class ProbeReport:
    """What the network made of a flat field.

    `unevenness`, `peak_to_peak` (output units) and `period` (positions) are the output's (None: none has positions; an
    empty period: not exact, and none was seen); `start` is where the flat field began, "input" or a layer; `tile` is
    one period of the output, (channels, *space) flattened, with its shape in `tile_shape` (empty where too large).
    `ramp` is the grid on a ramp, relative to its rise over a period; `stripes` the unevenness along stripes. What was
    not honoured is in `unhonoured`, runs ("ramp", "stripes", "gradient") that could not be made are in `missing`.
    """

    unevenness: float | None = None
    peak_to_peak: float | None = None
    period: Ints = ()
    layers: tuple[ProbeLayerReport, ...] = ()
    start: str = "input"
    tile: tuple[float, ...] = ()
    tile_shape: Ints = ()
    tones: tuple[ToneReport, ...] = ()
    ramp: float | None = None
    stripes: float | None = None
    gradient: GradientReport | None = None
    unhonoured: tuple[UnreadReport, ...] = ()
    missing: tuple[UnreadReport, ...] = ()

    @property
    def guilty(self) -> ProbeLayerReport | None:
        """The layer with the largest share of the grid at the output."""
        drawn = [layer for layer in self.layers if layer.share]
        return max(drawn, key=lambda layer: layer.share or 0.0, default=None)


@dataclass(frozen=True)
class Report:
    """All that was found in one network.

    >>> report = Report(target="model.onnx")
    >>> Report.from_json(report.to_json()) == report
    True
    """

    target: str
    layers: tuple[LayerReport, ...] = ()
    findings: tuple[Finding, ...] = ()
    unread: tuple[UnreadReport, ...] = ()
    inputs: tuple[Ints, ...] = ()
    rate: float | None = None
    probe: ProbeReport | None = None
    version: str = ""
    schema_version: int = SCHEMA_VERSION

    def at_or_above(self, level: Level) -> tuple[Finding, ...]:
        """Findings that are at least as bad as `level`."""
        return tuple(f for f in self.findings if LEVELS.index(f.level) <= LEVELS.index(level))

    def _repr_html_(self) -> str:
        """Show the report in a notebook; without Jinja2, as plain text."""
        return str(importlib.import_module("flatfield.render.notebook").notebook_view(self))

    def to_json(self) -> str:
        """Write the report as JSON (RFC 8259; no NaN, no infinity), keys in the order of the fields."""
        return to_json(self)

    @classmethod
    def from_json(cls, text: str) -> Report:
        """Read a report that `to_json` wrote; raises `ValueError` that names what is wrong."""
        return from_json(text, cls, "report", SCHEMA_VERSION, "write one with -o report.json")
