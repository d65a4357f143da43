"""Plan and CureReport: what a cure is to do to a network, and what it did, as plain frozen data.

Like a `Report`, a saved `CureReport` loses nothing, and every renderer takes one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from flatfield.record import from_json, to_json
from flatfield.report import ProbeReport

SCHEMA_VERSION = 1
How = Literal["correct", "flatten", "recover", "resize", "icnr", "blur", "fuse", "unfuse"]
"""Ways to change a network; `unfuse`: transposed convolutions as convolution and shuffle, for runtimes without."""


@dataclass(frozen=True)
class CureStep:
    """One layer that is to be changed: what is done to it, and why."""

    layer: str
    operator: str
    action: str
    because: str


@dataclass(frozen=True)
class Refusal:
    """One layer that is left as it is, and why."""

    layer: str
    operator: str
    because: str


@dataclass(frozen=True)
class CurePlan:
    """What is to be done to a network, before anything is: "these layers, this way, because"."""

    target: str
    how: How
    steps: tuple[CureStep, ...] = ()
    refused: tuple[Refusal, ...] = ()


@dataclass(frozen=True)
class LayerUnevenness:
    """The unevenness of one layer's phase gains, 0 (flat) to 1; None where its weights can't tell."""

    name: str
    unevenness: float | None


@dataclass(frozen=True)
class Figures:
    """What was measured of a model, before or after: the grid it draws and what it costs.

    `natural` is the grid in its outputs for the example inputs: rms, in output units, of what all of them have in
    common at each phase of one period; `lattice` the periods (those found at p < 0.001) and `p_value` the probability
    of the pooled lattice statistic, where the outputs are pictures or sound. `milliseconds` are for one run on the
    example input, single-threaded. None: not measured.
    """

    layers: tuple[LayerUnevenness, ...] = ()
    probe: ProbeReport | None = None
    natural: float | None = None
    lattice: tuple[int, ...] = ()
    p_value: float | None = None
    multiply_adds: int = 0
    milliseconds: float | None = None


@dataclass(frozen=True)
class OutputChange:
    """How far the outputs for the example inputs moved: rms over rms, the largest, and PSNR (dB; None: none moved).

    PSNR is relative to the range of the original's own outputs.
    """

    relative: float
    largest: float
    psnr: float | None = None


@dataclass(frozen=True)
class CureReport:
    """A cure from its plan to its verification.

    `notes` are sentences on what a person should know before the file is used: what was calibrated on what, what a
    projection costs, residuals of fits.

    >>> report = CureReport(CurePlan("model.onnx", "flatten"))
    >>> CureReport.from_json(report.to_json()) == report
    True
    """

    plan: CurePlan
    before: Figures = Figures()
    after: Figures = Figures()
    change: OutputChange | None = None
    notes: tuple[str, ...] = ()
    version: str = ""
    schema_version: int = SCHEMA_VERSION

    def to_json(self) -> str:
        """Write the report as JSON (RFC 8259; no NaN, no infinity), keys in the order of the fields."""
        return to_json(self)

    @classmethod
    def from_json(cls, text: str) -> CureReport:
        """Read a report that `to_json` wrote; raises `ValueError` that names what is wrong."""
        return from_json(text, cls, "cure report", SCHEMA_VERSION, "write one with flatfield cure --report cure.json")
