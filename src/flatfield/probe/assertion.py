"""assert_flat: a network's own grid as a test that fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flatfield.core import decibels
from flatfield.readers.input_spec import InputSpec
from flatfield.report import ProbeReport
from flatfield.targets import open_model


def assert_flat(
    model: Any,
    example_inputs: Sequence[Any] | Any = (),
    *,
    db: float = -60.0,
    keywords: Mapping[str, Any] | None = None,
    at: str = "",
) -> ProbeReport:
    """Fail, naming the guilty layer, if a model makes a grid of a flat field above `db` decibels of unevenness.

    `model` is a PyTorch module (left as it was: modes, buffers, random state), or a target as `flatfield check` takes
    it: the path of an ONNX file (inputs are arrays, in order), a `.pt2` file, `package.module:factory`,
    `example:NAME`; these bring example inputs along where none are given. `at` names the layer where the flat field
    begins, as for `probe_module`. Gives the probe's report. Raises `AssertionError`, `ValueError` for a model that has
    no grid to show or gives no finite numbers, `TypeError` for what is no model, and whatever the model raises.

    >>> from torch import nn, ones
    >>> assert_flat(nn.Upsample(scale_factor=2), ones(1, 3, 4, 4)).unevenness
    0.0
    >>> try:
    ...     assert_flat(nn.Sequential(nn.ConvTranspose2d(1, 1, 3, stride=2)), ones(1, 1, 4, 4))
    ... except AssertionError as error:
    ...     print(str(error).partition(" dB")[0][:34])
    the network draws a grid on a flat
    """
    report = _report(model, example_inputs, keywords, at)
    unevenness = report.unevenness or 0.0
    if decibels(unevenness) > db:
        raise AssertionError(told(report, db))
    return report


def told(report: ProbeReport, db: float) -> str:
    """Say in a few lines what grid there is, and which layer is to blame.

    >>> print(told(ProbeReport(0.5, 0.25, (2, 2), start="up"), -60.0))
    the network draws a grid on a flat field: unevenness 0.5000 (-6.0 dB, allowed -60.0 dB), 0.25 peak to peak, period 2 x 2
    """  # noqa: E501 - one line of a message
    period = f"period {' x '.join(map(str, report.period))}" if report.period else "no period seen"
    level = decibels(report.unevenness or 0.0)
    lines = [
        f"the network draws a grid on a flat field: unevenness {report.unevenness:.4f} ({level:.1f} dB, allowed "
        f"{db:.1f} dB), {report.peak_to_peak:.4g} peak to peak, {period}"
    ]
    drawn = sorted((x for x in report.layers if x.share), key=lambda x: -(x.share or 0.0))
    for place, layer in enumerate(drawn):
        whose = "guilty: " if place == 0 else "then:   "
        own = " x ".join(map(str, layer.period)) or "not seen"
        lines.append(
            f"  {whose}{layer.name} ({layer.operator}): {100 * (layer.share or 0):.1f}% of the grid's power, "
            f"{layer.peak_to_peak:.4g} peak to peak, period {own}; unevenness {layer.alone:.4f} on its own"
        )
    lines += [f"  not honoured: {x.name} ({x.operator}): {x.reason}" for x in report.unhonoured]
    return "\n".join(lines)


def _report(model: Any, inputs: Any, keywords: Mapping[str, Any] | None, at: str) -> ProbeReport:
    listed = [inputs] if hasattr(inputs, "shape") else list(inputs)
    if isinstance(model, str | Path):
        path = Path(model)
        if path.suffix.lower() == ".onnx" and listed:
            return _onnx(path, listed, at)
        sizes = [InputSpec(tuple(x.shape), str(x.dtype).removeprefix("torch.")) for x in listed]
        opened = open_model(str(model), sizes)
        if isinstance(opened.model, Path):
            return _onnx(opened.model, opened.inputs, at)
        model = opened.model
        listed, keywords = (listed, keywords) if listed else (list(opened.inputs), opened.keywords)
    from flatfield.probe.profile import probe_module  # noqa: PLC0415 - only for a PyTorch module

    return probe_module(model, listed, keywords=keywords, at=at)


def _onnx(path: Path, inputs: Sequence[Any], at: str) -> ProbeReport:
    from flatfield.probe.onnx.profile import probe_onnx  # noqa: PLC0415 - only for an ONNX file

    return probe_onnx(path, inputs, at=at)
