"""Trail of an ONNX graph: which axes of its inputs hold positions, told by the layers that look along them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from flatfield.core.taps import Ints
from flatfield.probe.marks import Marks, Source
from flatfield.probe.onnx.model import Array, OnnxModel
from flatfield.probe.onnx.node import OnnxNode, Rewriting
from flatfield.probe.onnx.torus import LAYERS
from flatfield.probe.onnx.views import RULES, SHAPES, pointwise_but
from flatfield.probe.period import OTHER, Periods, after_downsampling, after_upsampling

_ALL = ("GlobalAveragePool", "GlobalMaxPool")


def sources_of(model: OnnxModel, shapes: Mapping[str, Ints], found: Mapping[str, Array]) -> dict[str, Source]:
    """Follow marks on the inputs through the graph; inputs that no layer looks at by itself are left out.

    Where that leaves none, whatever stands behind batch and channels holds positions.
    """
    marks, into = Marks(), Rewriting(dict(shapes), found)
    for name, value in model.feeds.items():
        into.known[name] = marks.put(value.shape if np.issubdtype(value.dtype, np.floating) else ())
    for proto in model.proto.graph.node:
        if any(max(into.known.get(name, ()), default=OTHER) > OTHER for name in proto.input):
            node = OnnxNode.of(proto, into)
            carried = _carried(node, marks)
            for output in proto.output:
                if output and len(carried) == len(shapes[output]):
                    into.known[output] = carried
    names = list(model.feeds)
    known = {names[place]: source for place, source in marks.sources.items()}
    if known:
        return known
    large = {name: value.ndim - 2 for name, value in model.feeds.items() if value.ndim > 2}
    return {name: Source(tuple(range(2, 2 + rank)), rank, (1,) * rank) for name, rank in large.items()}


def _carried(node: OnnxNode, marks: Marks) -> Periods:
    if node.operator in SHAPES:
        return ()
    if node.operator == "Pad":
        return node.periods()
    if node.operator == "Concat":
        return pointwise_but(node, int(node.attributes["axis"]) % len(node.output_shape))
    if node.operator not in LAYERS:
        rule = RULES.get(node.operator)
        return rule(node) if rule is not None else ()
    if node.input() not in node.into.known or len(node.shape()) < 3:
        return ()
    space = node.periods()[2:]
    marks.reach(space)
    behind = tuple(
        after_downsampling(after_upsampling(mark, up), down) if down else OTHER
        for mark, (up, down) in zip(space, _factors(node), strict=True)
    )
    marks.reach(behind)
    return (node.periods()[0], OTHER, *behind)


def _factors(node: OnnxNode) -> list[tuple[int, int]]:
    """Positions written for each read, an axis at a time, as (up, down); down is 0 where one is left of all."""
    size, outputs = node.shape()[2:], node.output_shape[2:]
    if node.operator in _ALL:
        return [(1, 0)] * len(size)
    if node.operator in ("Conv", "ConvTranspose") or "kernel_shape" in node.attributes:
        strides = node.listed("strides", len(size), 1)
        return [(s, 1) if node.operator == "ConvTranspose" else (1, s) for s in strides]
    return [(m, n) for n, m in zip(size, outputs, strict=True)]
