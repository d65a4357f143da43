"""Resize: the nearest resize-convolution in the place of a transposed convolution, of the same size to the pixel."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import NodeProto

from flatfield.core.taps import Ints, Pairs
from flatfield.cure.examples import Examples, Progress
from flatfield.cure.least_squares import Geometry, fit
from flatfield.cure.onnx.found import find, shapes_of
from flatfield.cure.onnx.graph import Graph, label
from flatfield.cure.onnx.piece import Array, Piece
from flatfield.cure.onnx.spread import Spread
from flatfield.cure.onnx.unfuse import transposed_convolution
from flatfield.cure_report import CurePlan


def resize(
    plan: CurePlan, model: onnx.ModelProto, examples: Examples, progress: Progress
) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """Put Resize, Slice and Conv with least-squares weights in the place of every planned ConvTranspose, on a copy.

    A note says how much of the weights each misses. Raises `ValueError` for a layer that can't be changed. Source:
    Odena, Dumoulin & Olah 2016 (resize-convolution).
    """
    graph, notes = Graph(model), []
    places = find(plan, graph, shapes_of(examples.batches[0]))
    for place, (found, output) in enumerate([(found, found.node.output[0]) for found in places]):
        progress("fitting", place, len(places))
        node = graph.writers[output]
        notes.append(f"{found.step.layer}: the fitted kernel misses {_put(graph, node):.0%} of the weights (Frobenius)")
    progress("fitting", len(places), len(places))
    return graph.model, tuple(notes)


def _put(graph: Graph, node: NodeProto) -> float:
    """Replace one node; gives what the fit misses."""
    spread = transposed_convolution(graph, node)
    none = (0,) * len(spread.stride)
    geometry = Geometry(spread.weight.shape[2:], spread.stride, none, none, spread.dilation, spread.groups)
    fitted, residual = fit(spread.weight, geometry)
    padding = _padding(spread, geometry)
    piece = graph.piece(label(node))
    large = _enlarged(piece, node.input[0], spread.stride)
    large = piece.crop(large, [(max(0, -a), max(0, -b)) for a, b in padding])
    inputs = [large, piece.constant(_convolution(fitted, spread.groups).astype(spread.kind), "weight")]
    if spread.bias is not None:
        inputs.append(piece.constant(spread.bias.astype(spread.kind), "bias"))
    y = piece.add(
        "Conv", inputs, kernel_shape=fitted.shape[2:], group=spread.groups,
        pads=[max(0, a) for a, _ in padding] + [max(0, b) for _, b in padding],
    )  # fmt: skip
    piece.end(y, node.output[0], like=node)
    graph.put(piece, node)
    return residual


def _padding(spread: Spread, geometry: Geometry) -> Pairs:
    """What the enlarged picture is padded by, or cut where negative: `Geometry.pads`, for sides that differ."""
    rows = zip(spread.stride, spread.pads, geometry.kernel, geometry.reach, geometry.offset, strict=True)
    found = []
    for s, (front, back), k, reach, offset in rows:
        before = k - 1 - front - offset
        found.append((before, reach - s - front - back - before + k - 1))
    return tuple(found)


def _enlarged(piece: Piece, x: str, scale: Ints) -> str:
    scales = piece.constant(np.array([1, 1, *scale], np.float32), "scales")
    if piece.opset < 10:
        return piece.add("Upsample", [x, scales], mode="nearest")
    if piece.opset == 10:
        return piece.add("Resize", [x, scales], mode="nearest")
    nothing = "" if piece.opset > 12 else piece.constant(np.zeros(0, np.float32), "roi")
    return piece.add(
        "Resize", [x, nothing, scales], mode="nearest", coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )  # fmt: skip


def _convolution(kernel: Array, groups: int) -> Array:
    """A transposed convolution's (in, out / groups, *kernel) as a convolution's (out, in / groups, *kernel)."""
    rows, columns = kernel.shape[:2]
    split = kernel.reshape(groups, rows // groups, columns, *kernel.shape[2:])
    swapped = np.swapaxes(split, 1, 2).reshape(groups * columns, rows // groups, *kernel.shape[2:])
    return np.flip(swapped, tuple(range(2, swapped.ndim)))
