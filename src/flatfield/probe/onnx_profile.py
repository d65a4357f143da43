"""The probe on an ONNX file: the graph rewritten for the torus, run in ONNX Runtime; no deep-learning framework."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from flatfield.probe.onnx_model import Array, OnnxModel
from flatfield.probe.onnx_norms import OVER_POSITIONS
from flatfield.probe.onnx_rewrite import Rewritten, rewrite
from flatfield.probe.onnx_torus import LAYERS
from flatfield.probe.onnx_views import RULES
from flatfield.probe.peeling import Run, assembled, peel
from flatfield.probe.period import Periods
from flatfield.probe.plan import FIRST, INPUT, Step
from flatfield.probe.tile import Tile
from flatfield.probe.unhonoured import NO_OUTPUT, NoGridError, UnknownLayerError
from flatfield.report import ProbeReport
from flatfield.targets import Opened

_SETTINGS = frozenset(("Pad", "Slice", "CumSum", *(name for name in RULES if name.startswith("Reduce"))))
"""Operators whose further inputs are amounts and axes, often worked out by the graph itself."""


def probe_opened(opened: Opened, *, at: str = "", rate: float | None = None) -> ProbeReport | None:
    """Probe an ONNX target on noise of the sizes it was read with; None where it has no grid to show.

    With `at` that is no answer: raises `NoGridError`.
    """
    try:
        return probe_onnx(Path(opened.model), opened.inputs, at=at, rate=rate)
    except NoGridError:
        if at:
            raise
        return None


def probe_onnx(path: Path, inputs: Sequence[Any], *, at: str = "", rate: float | None = None) -> ProbeReport:
    """Run an ONNX file on a flat field and say how uneven its output is, and by which layer.

    `inputs` are arrays, or shapes for noise, one for every input of the graph; `at` names the node at whose input
    the flat field begins ("input": the network's own). It runs at the size of the example. Raises `NoGridError` where
    nothing flat reaches an output with positions, `UnknownLayerError` for a node that is no layer, `ValueError` for
    inputs that do not fit.

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
    model = OnnxModel.load(path, inputs)
    layers = [n.name or n.output[0] for n in model.proto.graph.node if n.op_type in LAYERS]
    if at not in ("", "input", *layers):
        raise UnknownLayerError(at, layers)
    norms = [n.input[0] for n in model.proto.graph.node if n.op_type in OVER_POSITIONS]
    settings = [x for n in model.proto.graph.node if n.op_type in _SETTINGS for x in n.input[1:] if x]
    wanted = [name for name in (*norms, *settings) if name not in model.initial and name not in model.feeds]
    shapes, found = model.shapes_and(wanted)
    found = {**model.initial, **model.feeds, **found}
    best: tuple[Rewritten, str] | None = None
    for start in [{"input": INPUT}.get(at, at)] if at else [FIRST, INPUT]:
        written = rewrite(model, shapes, found, start)
        output = _output(model, written)
        if output is None:
            continue
        if best is None or written.into.ledger.leaks < best[0].into.ledger.leaks:
            best = written, output
        if not written.into.ledger.leaks:
            break
    if best is None:
        raise NoGridError(NO_OUTPUT)
    return _profile(model, *best, rate)


def _output(model: OnnxModel, written: Rewritten) -> str | None:
    """The first output of the graph that has positions and comes from the flat field."""
    known = written.into.known
    names = [value.name for value in model.proto.graph.output]
    return next((n for n in names if any(p > 0 for p in known.get(n, ()))), None)


def _profile(model: OnnxModel, written: Rewritten, output: str, rate: float | None) -> ProbeReport:
    name, periods = written.into.name(output), written.into.known[output]
    ends = [end for stage in written.stages for end in (stage.before, stage.after)]
    session = model.run(written.into.nodes, written.into.constants, [name, *ends], dict.fromkeys(written.flags, False))

    def at_level(level: int) -> Run:
        numbers = session.outputs({flag: place < level for place, flag in enumerate(written.flags)})
        steps = [
            Step(
                s.name, s.operator, s.upsamples,
                _unevenness(numbers[s.before], s.periods_before), _unevenness(numbers[s.after], s.periods_after),
            )
            for s in written.stages
        ]  # fmt: skip
        return Run(_values(numbers[name], periods), tuple(steps))

    first = at_level(0)
    space = [p for p in periods if p > 0]
    pairs = zip(space, first.values.shape[1:], strict=True)
    tile = Tile(first.values[(slice(None), *(slice(0, min(p, n)) for p, n in pairs))])
    parts = peel(first, at_level)
    return assembled(first, parts, tile, start=written.start, ledger=written.into.ledger, rate=rate)


def _values(array: Array, periods: Periods) -> Array:
    """Whole periods as (channels, *space) in double precision."""
    whole = tuple(slice(0, n - n % p if 1 < p <= n else n) for n, p in zip(array.shape, periods, strict=True))
    space = [axis for axis, p in enumerate(periods) if p > 0]
    cropped = array[whole].astype(np.float64)
    moved = np.moveaxis(cropped, space, range(array.ndim - len(space), array.ndim))
    return np.asarray(moved.reshape(-1, *moved.shape[array.ndim - len(space) :]))


def _unevenness(array: Array, periods: Periods) -> float:
    return Tile(_values(array, periods)).unevenness if any(p > 0 for p in periods) else 0.0
