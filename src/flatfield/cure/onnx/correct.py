"""Correct: a flat-field correction behind an ONNX graph, calibrated on what the graph makes of examples."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import inliner

from flatfield.cure.calibration import CalibrationError, calibrate
from flatfield.cure.colours import Real
from flatfield.cure.correction import Correction
from flatfield.cure.correction_fit import fit_correction
from flatfield.cure.examples import Examples, Progress
from flatfield.cure.layout import Layout, notes_on
from flatfield.cure.onnx.correction_nodes import LEAST_OPSET, CorrectionNodes
from flatfield.cure.onnx.flat_fields import FLATS, Painter
from flatfield.cure_report import CurePlan

PREFIX = "flatfield/correct/"


def correct(
    plan: CurePlan, model: onnx.ModelProto, examples: Examples, progress: Progress
) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """Put a flat-field correction behind a copy of `model`; one without a grid is copied as it is.

    Opset, metadata, names of inputs and outputs and dynamic axes stay. The notes say what was calibrated on, and what
    kind of grid was found. Raises `CalibrationError` for examples that tell nothing, outputs that can't be corrected
    and an opset below 11, `NoGridError` for a graph without an output that has positions.
    """
    twin = onnx.ModelProto()
    twin.CopyFrom(model)
    opset = max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=1)
    if opset < LEAST_OPSET:
        raise CalibrationError(
            f"opset {opset} has no padding of a size found at run time: convert to {LEAST_OPSET} or later with "
            "onnx.version_converter first"
        )
    outputs, tiles, layout, output = _calibration_outputs(plan, model, examples, progress)
    progress("fitting the correction", 0, 1)
    correction = fit_correction(calibrate(outputs, tiles, layout.period))
    progress("fitting the correction", 1, 1)
    notes = notes_on(correction, examples.source)
    if correction.degree >= 0:
        append_correction(twin, output, correction, layout, opset)
    return twin, notes


def _calibration_outputs(
    plan: CurePlan, model: onnx.ModelProto, examples: Examples, progress: Progress
) -> tuple[list[Real], Real, Layout, str]:
    total = len(examples.batches)
    if not total:
        raise CalibrationError("no example was given: give two or more (--examples)")
    plain = inliner.inline_local_functions(model) if model.functions else model
    outputs: list[Real] = []
    tiles: list[Real] = []
    for done, batch in enumerate(examples.batches):
        progress("running the examples", done, total)
        painter = Painter.of(plain, Path(plan.target).parent, batch, examples.keywords)
        outputs.append(painter.painted())
        tiles += painter.tiles(-(-FLATS // (total * max(1, len(outputs[-1])))))
    progress("running the examples", total, total)
    return outputs, np.concatenate(tiles), painter.layout, painter.output


def append_correction(model: onnx.ModelProto, output: str, correction: Correction, layout: Layout, opset: int) -> None:
    """Append the correction's nodes in place: `output` keeps its name, what wrote it writes another."""
    taken = {name for node in _nodes(model.graph) for name in (*node.input, *node.output)}
    number = next(n for n in range(len(taken) + 1) if not any(name.startswith(f"{PREFIX}{n}/") for name in taken))
    prefix = f"{PREFIX}{number}/"
    before = f"{prefix}uncorrected"
    for node in _nodes(model.graph):
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                if name == output:
                    names[place] = before
    kind = next(v.type.tensor_type.elem_type for v in model.graph.output if v.name == output)
    nodes = CorrectionNodes(correction, layout, prefix, opset, kind)
    nodes.write(before, output)
    model.graph.node.extend(nodes.nodes)
    model.graph.initializer.extend(nodes.constants)


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """All nodes, those of branches and loops too: they read names from outside."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from _nodes(inner)
