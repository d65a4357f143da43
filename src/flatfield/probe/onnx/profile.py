"""The probe on an ONNX file: the graph rewritten for the torus, run in ONNX Runtime; no deep-learning framework."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from flatfield.probe.beyond import beyond
from flatfield.probe.gradient_grid import with_gradient
from flatfield.probe.onnx.attempt import Attempt
from flatfield.probe.onnx.begin import begin
from flatfield.probe.onnx.gradient import onnx_gradient
from flatfield.probe.onnx.look import Look
from flatfield.probe.onnx.model import Array, OnnxModel
from flatfield.probe.onnx.torus import LAYERS
from flatfield.probe.peeling import Run, assembled, peel
from flatfield.probe.period import Periods
from flatfield.probe.plan import FIRST, INPUT, Step
from flatfield.probe.tile import Tile
from flatfield.probe.unhonoured import NO_OUTPUT, NoGridError, UnknownLayerError
from flatfield.report import ProbeReport
from flatfield.targets import Opened


def probe_opened(opened: Opened, *, at: str = "", rate: float | None = None) -> ProbeReport | None:
    """Probe an ONNX target on noise of the sizes it was read with, forwards (with ramp and stripes) and backwards.

    None where it has no grid to show; with `at` that is no answer: raises `NoGridError`.
    """
    look = look_at(Path(opened.model), opened.inputs, at)
    found: ProbeReport | None = None
    with contextlib.nullcontext() if at else contextlib.suppress(NoGridError):
        found = _probed(look, at, patterns=True, rate=rate)
    return with_gradient(found, lambda: onnx_gradient(look))


def probe_onnx(
    path: Path, inputs: Sequence[Any], *, at: str = "", patterns: bool = False, rate: float | None = None
) -> ProbeReport:
    """Run an ONNX file on a flat field and say how uneven its output is, and by which layer.

    `inputs` are arrays, or shapes for noise, one for every input of the graph; `at` names the node at whose input
    the flat field begins ("input": the network's own). It runs at the size of the example; `patterns` adds a run with a
    ramp and one with stripes. Raises `NoGridError` where nothing flat reaches an output with positions,
    `UnknownLayerError` for a node that is no layer, `NotFiniteError`, `ValueError` for inputs that do not fit.

    >>> import tempfile, onnx
    >>> from onnx import TensorProto, helper, numpy_helper
    >>> node = helper.make_node("ConvTranspose", ["x", "w"], ["y"], "up", strides=[2])
    >>> ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, None]) for name in "xy"]
    >>> weight = numpy_helper.from_array(np.ones((1, 1, 3), np.float32), "w")
    >>> model = helper.make_model(helper.make_graph([node], "g", ends[:1], ends[1:], [weight]), ir_version=10)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     onnx.save(model, f"{folder}/m.onnx")
    ...     report = probe_onnx(Path(folder, "m.onnx"), [np.ones((1, 1, 4))])
    >>> report.period, round(report.unevenness, 4), report.layers[0].name
    ((2,), 0.3162, 'up')
    """
    return _probed(look_at(path, inputs, at), at, patterns=patterns, rate=rate)


def look_at(path: Path, inputs: Sequence[Any], at: str = "") -> Look:
    """Load a file and run it once on its example input. Raises `UnknownLayerError`, `ValueError` for other inputs."""
    model = OnnxModel.load(path, inputs)
    layers = [n.name or n.output[0] for n in model.proto.graph.node if n.op_type in LAYERS]
    if at not in ("", "input", *layers):
        raise UnknownLayerError(at, layers)
    return Look.at(model, at)


def _probed(look: Look, at: str, *, patterns: bool, rate: float | None) -> ProbeReport:
    best = _settled(look, {"input": INPUT}.get(at, at))
    report = _profile(look, best, rate)
    if not patterns:
        return report
    found = beyond(best.runner(look), best.natural, best.begin.least or best.natural, best.period)
    return replace(report, ramp=found.ramp, stripes=found.stripes, missing=found.missing)


def _settled(look: Look, start: str) -> Attempt:
    """Begin at the first upsampling layer, or at the input where something that is not flat goes round it."""
    attempts = []
    for place in [start] if start else [FIRST, INPUT]:
        begun = begin(look.model, look.shapes, look.sources, place)
        attempt = Attempt.of(look, begun) if begun is not None else None
        if attempt is not None:
            attempts.append(attempt)
            if not attempt.written.into.ledger.leaks:
                break
    if not attempts:
        raise NoGridError(NO_OUTPUT)
    return min(attempts, key=lambda attempt: attempt.written.into.ledger.leaks)


def _profile(look: Look, attempt: Attempt, rate: float | None) -> ProbeReport:
    written, periods = attempt.written, attempt.periods
    ends = [end for stage in written.stages for end in (stage.before, stage.after)]
    off = {flag: np.array(False) for flag in written.flags}
    further = {**attempt.fields, **off}
    session = look.model.run(written.into.nodes, written.into.constants, [attempt.output, *ends], further)

    def at_level(level: int) -> Run:
        numbers = session.outputs({flag: np.array(place < level) for place, flag in enumerate(written.flags)})
        steps = [
            Step(
                s.name, s.operator, s.upsamples,
                _unevenness(numbers[s.before], s.periods_before), _unevenness(numbers[s.after], s.periods_after),
            )
            for s in written.stages
        ]  # fmt: skip
        return Run(_values(numbers[attempt.output], periods), tuple(steps))

    first = at_level(0)
    space = [p for p in periods if p > 0]
    pairs = zip(space, first.values.shape[1:], strict=True)
    tile = Tile(first.values[(slice(None), *(slice(0, min(p, n)) for p, n in pairs))])
    parts = peel(first, at_level)
    return assembled(first, parts, tile, start=attempt.begin.name, ledger=written.into.ledger, rate=rate)


def _values(array: Array, periods: Periods) -> Array:
    """Whole periods as (channels, *space) in double precision."""
    whole = tuple(slice(0, n - n % p if 1 < p <= n else n) for n, p in zip(array.shape, periods, strict=True))
    space = [axis for axis, p in enumerate(periods) if p > 0]
    cropped = array[whole].astype(np.float64)
    moved = np.moveaxis(cropped, space, range(array.ndim - len(space), array.ndim))
    return np.asarray(moved.reshape(-1, *moved.shape[array.ndim - len(space) :]))


def _unevenness(array: Array, periods: Periods) -> float:
    return Tile(_values(array, periods)).unevenness if any(p > 0 for p in periods) else 0.0
