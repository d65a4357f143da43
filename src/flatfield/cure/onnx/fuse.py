"""Fuse: Resize, Pad and Conv in a row become one layer on the small picture, whichever form is quickest."""

from __future__ import annotations

import numpy as np
import onnx

from flatfield.cure.examples import Examples, Progress
from flatfield.cure.onnx.graph import Graph, label, standard
from flatfield.cure.onnx.piece import Piece
from flatfield.cure.onnx.rows import Row, rows_of
from flatfield.cure.onnx.spread import Sizes
from flatfield.cure.onnx.timing import Contest
from flatfield.cure_report import CurePlan, CureStep, Refusal

_NAMES = {"phases": "Conv + shuffle", "transposed": "ConvTranspose", "plain": "Resize + Conv"}


def plan(model: onnx.ModelProto, target: str) -> CurePlan:
    """Say which enlargements and convolutions of a model are one layer, and why the others are not."""
    graph = Graph(model)
    found = list(rows_of(graph))
    steps = tuple(_step(row) for row in found if isinstance(row, Row))
    refused = tuple(entry for entry in found if isinstance(entry, Refusal))
    inner = (Refusal(f"{where}/{label(n)}", n.op_type, "graphs inside a graph are left alone")
             for where, n in graph.inner if standard(n, "Resize", "Upsample"))  # fmt: skip
    return CurePlan(target, "fuse", steps, (*refused, *inner))


def fuse(
    plan: CurePlan, model: onnx.ModelProto, examples: Examples, progress: Progress
) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """Put the quickest form in the place of every planned row, on a copy; what is quickest as it is stays.

    Each form is timed in ONNX Runtime on one thread at the sizes that the examples give. Raises `ValueError` for a
    step that the model can't do.
    """
    graph, notes = Graph(model), []
    planned = {step.layer for step in plan.steps}
    first = [entry for entry in rows_of(graph) if isinstance(entry, Row) and label(entry.conv) in planned]
    missing = planned - {label(row.conv) for row in first}
    if missing:
        raise ValueError(f"fuse can't change {min(missing)}: no enlargement and convolution of that name are one layer")
    contest = Contest.at(graph.model, [row.resize.input[0] for row in first], examples)
    for place, output in enumerate([row.conv.output[0] for row in first]):
        progress("timing", place, len(first))
        row = next(entry for entry in rows_of(graph) if isinstance(entry, Row) and entry.conv.output[0] == output)
        notes.append(_decide(graph, row, contest))
    progress("timing", len(first), len(first))
    return graph.model, tuple(notes)


def _decide(graph: Graph, row: Row, contest: Contest) -> str:
    """Time the forms of a row and keep the quickest."""
    x, y, name = row.resize.input[0], row.conv.output[0], label(row.conv)
    sizes = _spatial(graph.sizes.get(x), len(row.spread.stride))
    pieces = {"plain": _plain(graph, row)}
    for form in ("phases", "transposed") if row.spread.transposable else ("phases",):
        piece = graph.piece(name)
        padded = piece.pad(x, row.small, row.mode)
        wider = tuple(None if n is None else n + sum(pair) for n, pair in zip(sizes, row.small, strict=True))
        spread = row.spread
        last = spread.as_phases(piece, padded, wider) if form == "phases" else spread.as_transposed(piece, padded)
        piece.end(last, y, like=row.conv)
        pieces[form] = piece
    times = contest.times(x, y, pieces, row.spread.kind)
    best = min(times, key=lambda form: times[form])
    told = ", ".join(f"{_NAMES[form]} {1e3 * spent:.3g} ms" for form, spent in times.items())
    if best == "plain":
        return f"{name} stays as it is, which is quickest here: {told}"
    graph.put(pieces[best], row.conv, row.nodes)
    return f"{name} is {_NAMES[best]} now: {told}"


def _plain(graph: Graph, row: Row) -> Piece:
    """The row as it is, with the constants it reads, to be timed beside the others."""
    piece = Piece("", graph.opset, list(row.nodes))
    for node in row.nodes:
        for name in node.input:
            array = graph.array(name) if name else None
            if array is not None:
                piece.arrays[name] = array
    for node in piece.nodes:  # sizes that the graph works out from other sizes are fixed: take them from there
        if standard(node, "Resize") and len(node.input) > 3 and node.input[3] and node.input[3] not in piece.arrays:
            wide = graph.sizes[node.output[0]]
            batch = [int(n or 1) for n in wide]
            piece.arrays[node.input[3]] = np.array(batch, np.int64)
    return piece


def _spatial(sizes: Sizes | None, dims: int) -> Sizes:
    return tuple(sizes[2:]) if sizes is not None else (None,) * dims


def _step(row: Row) -> CureStep:
    now, fused = row.multiply_adds
    scale = " x ".join(map(str, row.enlarged.scale))
    because = f"{row.enlarged.mode} x {scale} by {label(row.resize)}: {now} multiply-adds a position, fused {fused}"
    return CureStep(label(row.conv), "Conv", "fused with the enlargement in front", because)
