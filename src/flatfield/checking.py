"""Network -> Report: the facts of every layer, and what the rules make of them."""

from __future__ import annotations

import importlib
import importlib.util
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from flatfield import __version__
from flatfield.network import UPSAMPLING, Layer, Network
from flatfield.probe.unhonoured import NoGridError, UnknownLayerError, missed
from flatfield.report import LayerReport, OverlapRange, ProbeReport, Report, UnreadReport
from flatfield.rules import RULES, Rule, examine
from flatfield.targets import Opened, open_model


def check(
    model: Any,
    example_inputs: Sequence[Any] = (),
    *,
    rate: float | None = None,
    rules: Sequence[Rule] = RULES,
    fake: bool = False,
    probe: bool = True,
    at: str = "",
) -> Report:
    """Find uneven upsampling in a model: a PyTorch module with its example inputs, or anything the command takes.

    `model` is an `nn.Module`, a path to `.onnx` or `.pt2`, `"package.module:factory"` or `"example:NAME"`. It is run
    on a flat field too, unless `probe=False`; `at` names the layer where that begins. Raises `UnreadableError` (a
    `ValueError`) where a target can't be read, `ValueError` where no probe can begin `at` that layer; what a module
    raises, it raises here.

    >>> [finding.code for finding in check("example:deconv-last").findings]
    ['FF001', 'FF008', 'FF008', 'FF009']
    """
    if isinstance(model, str | Path):
        opened = open_model(str(model), fake=fake)
    else:
        reader = importlib.import_module("flatfield.readers.pytorch")  # only a person who has torch has a module
        inputs = example_inputs if isinstance(example_inputs, list | tuple) else (example_inputs,)
        network = reader.read_module(model, inputs, target=type(model).__name__, fake=fake)
        opened = Opened(network, model, tuple(inputs))
    report = report_on(opened.network, rate=rate, rules=rules)
    return with_probe(report, opened, at=at) if probe and not fake else report


def with_probe(report: Report, opened: Opened, *, at: str = "") -> Report:
    """Add what the model makes of a flat field; a model that can't be probed is listed with the reason.

    Without ONNX Runtime an ONNX file is not run, and nothing is added. Raises `ValueError` where `at` names no layer
    that the flat field can begin at.
    """
    home = "onnx.profile" if isinstance(opened.model, Path) else "profile"
    if isinstance(opened.model, Path) and importlib.util.find_spec("onnxruntime") is None:
        return report
    prober = importlib.import_module(f"flatfield.probe.{home}")
    try:
        found: ProbeReport | None = prober.probe_opened(opened, at=at, rate=report.rate)
    except Exception as error:  # somebody's model, in a run it was not made for
        if at and isinstance(error, NoGridError | UnknownLayerError):
            raise
        failed = missed("probe", error)
        failed = replace(failed, reason=f"the run on a flat field failed: {failed.reason}")
        return replace(report, unread=(*report.unread, failed))
    if found is None and any(layer.operator in UPSAMPLING and max(layer.stride) > 1 for layer in report.layers):
        silent = UnreadReport("probe", "", "not run on a flat field: nothing flat reaches an output with positions")
        return replace(report, unread=(*report.unread, silent))
    return replace(report, probe=found)


def report_on(network: Network, *, rate: float | None = None, rules: Sequence[Rule] = RULES) -> Report:
    """Write down what is known of a network; `rate` (Hz) gives the grids of 1-d layers as tones.

    >>> from flatfield.network import Network
    >>> report_on(Network("nothing", ())).findings
    ()
    """
    if rate is not None and not (math.isfinite(rate) and rate > 0):
        raise ValueError(f"rate {rate} is not a sampling rate: give samples a second, such as 22050")
    return Report(
        target=network.target,
        layers=tuple(describe(network, layer, rate) for layer in network.layers),
        findings=examine(network, rules),
        unread=tuple(UnreadReport(u.name, u.operator, u.reason) for u in network.unread),
        inputs=network.inputs,
        rate=rate,
        version=__version__,
    )


def describe(network: Network, layer: Layer, rate: float | None = None) -> LayerReport:
    """Put the facts of one layer in a row of the report."""
    period = network.output_period(layer) if layer.upsamples else (1,) * layer.dims
    return LayerReport(
        name=layer.name,
        operator=layer.operator,
        kernel=layer.kernel,
        stride=layer.stride,
        padding=layer.padding,
        dilation=layer.dilation,
        groups=layer.groups,
        weight_shape=layer.weight_shape,
        overlap=OverlapRange(int(layer.overlap.min()), int(layer.overlap.max())),
        unevenness=layer.unevenness,
        period=period,
        multiply_adds=layer.multiply_adds,
        mode=layer.mode,
        input_size=layer.input_size,
        output_size=layer.output_size,
        phases=phase_levels(layer),
        tones=tone_frequencies(period[0], rate) if rate and layer.dims == 1 and layer.uneven else (),
    )


def phase_levels(layer: Layer) -> tuple[float, ...]:
    """Gain of each phase of an upsampling layer along its strongest grid, flattened; overlap without weights."""
    if not layer.upsamples:
        return ()
    if layer.phases is not None:
        return tuple(float(level) for level in layer.phases.levels)
    counts = layer.overlap.ravel() / max(1.0, float(layer.overlap.mean()))
    return tuple(float(count) for count in counts)


def tone_frequencies(period: int, rate: float) -> tuple[float, ...]:
    """Give the frequencies in Hz at which a pattern of `period` samples sounds: rate * q / period up to rate / 2.

    >>> tone_frequencies(4, 16000.0)
    (4000.0, 8000.0)
    """
    return tuple(rate * q / period for q in range(1, period // 2 + 1))
