"""Begin: where the flat field begins in an ONNX graph, and what is fed there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx

from flatfield.core.taps import Ints
from flatfield.probe.marks import Source
from flatfield.probe.onnx.model import Array, OnnxModel
from flatfield.probe.onnx.node import OnnxNode, Rewriting
from flatfield.probe.onnx.torus import LAYERS, upsamples
from flatfield.probe.patterns import pattern_of, periods_of, strength_of
from flatfield.probe.period import OTHER, Periods
from flatfield.probe.plan import FIRST, INPUT

FIELD = "flatfield/field/"
_UPSAMPLERS = ("ConvTranspose", "Resize", "Upsample", "DepthToSpace")


@dataclass(frozen=True)
class Begin:
    """Where a flat field begins: tensors with their axes of positions, read from there by one node or (-1) by all.

    `least` is the smallest field of which the strides behind it leave one position.
    """

    name: str
    axes: Mapping[str, Ints]
    node: int
    least: Ints

    def fields(self, examples: Mapping[str, Array], size: Ints = (), pattern: str = "") -> dict[str, Array]:
        """The flat fields (or ramps, or stripes) nearest to the examples, of the given size or their own."""
        return {
            FIELD + name: field_of(examples[name], axes, size if len(size) == len(axes) else (), pattern)
            for name, axes in self.axes.items()
        }

    def periods(self, fields: Mapping[str, Array], pattern: str = "") -> dict[str, Periods]:
        """Periods of the fields."""
        found = {}
        for name, axes in self.axes.items():
            shape = fields[FIELD + name].shape
            own = dict(zip(axes, periods_of(pattern, tuple(shape[axis] for axis in axes)), strict=True))
            found[FIELD + name] = tuple(own.get(axis, OTHER) for axis in range(len(shape)))
        return found

    def nodes(self, model: OnnxModel) -> list[onnx.NodeProto]:
        """The nodes of the graph, reading fields where they begin."""
        return [self.put(place, proto) for place, proto in enumerate(model.proto.graph.node)]

    def put(self, place: int, proto: onnx.NodeProto) -> onnx.NodeProto:
        """One node of the graph, reading fields if they begin there."""
        if (place != self.node and self.node >= 0) or not any(name in self.axes for name in proto.input):
            return proto
        changed = onnx.NodeProto()
        changed.CopyFrom(proto)
        read = proto.input[:1] if self.node >= 0 else proto.input
        for i, name in enumerate(read):
            changed.input[i] = FIELD + name if name in self.axes else name
        return changed


def field_of(example: Array, axes: Ints, size: Ints, pattern: str) -> Array:
    """A field with the channel means of an example, and a pattern as strong as its deviation.

    >>> field_of(np.array([[[1.0, 3.0]]]), (2,), (4,), "ramp").ravel().tolist()
    [1.0, 2.0, 3.0, 2.0]
    """
    shape = list(example.shape)
    for axis, n in zip(axes, size or [shape[axis] for axis in axes], strict=True):
        shape[axis] = n
    mean = example.mean(axis=axes, keepdims=True, dtype=np.float64)
    field = np.broadcast_to(mean, shape)
    if pattern:
        deviation = example.std(axis=axes, keepdims=True, dtype=np.float64)
        field = field + strength_of(mean, deviation) * pattern_of(pattern, tuple(shape), axes)
    return np.ascontiguousarray(field, example.dtype)


def candidates(model: OnnxModel, at: str) -> list[str]:
    """Tensors that a flat field may have to replace: read by the layer named, or by what may be the first upsampler."""
    names = []
    for proto in model.proto.graph.node:
        if at:
            if at in (proto.name, proto.output[0]):
                return [proto.input[0]]
        elif proto.op_type in _UPSAMPLERS or (proto.op_type == "Conv" and proto.output[0] in _shuffled(model)):
            names.append(proto.input[0])
            if proto.op_type in ("Conv", "DepthToSpace") or _strides(proto):
                return names
    return names


def begin(model: OnnxModel, shapes: Mapping[str, Ints], sources: Mapping[str, Source], start: str) -> Begin | None:
    """Find where the flat field is to begin: at the input, the first upsampling layer, or the layer named `start`.

    A convolution whose channels are shuffled is one layer with the shuffle: the field comes before both. None where
    there is no such place.
    """
    into = Rewriting(dict(shapes), model.initial)
    nodes = [OnnxNode.of(proto, into) for proto in model.proto.graph.node]
    drawing = [place for place, node in enumerate(nodes) if _draws(node, _shuffled(model))]
    if start == INPUT:
        rank = len(nodes[drawing[0]].shape()) - 2 if drawing else max((s.rank for s in sources.values()), default=0)
        fitting = {name: s for name, s in sources.items() if s.rank == rank} or dict(sources)
        steps = {source.steps for source in fitting.values()}
        axes = {name: source.axes for name, source in fitting.items()}
        return Begin("input", axes, -1, next(iter(steps)) if len(steps) == 1 else ()) if axes else None
    if start != FIRST:
        drawing = [place for place, node in enumerate(nodes) if node.label == start and len(node.shape()) > 2]
    if not drawing:
        return None
    node = nodes[drawing[0]]
    rank = len(node.shape()) - 2
    least = (1,) * rank if start == FIRST else ()
    return Begin(node.label, {node.input(): tuple(range(2, 2 + rank))}, drawing[0], least)


def _draws(node: OnnxNode, shuffled: frozenset[str]) -> bool:
    if node.operator not in LAYERS or len(node.shape()) < 3:
        return False
    return upsamples(node) or (node.operator == "Conv" and node.proto.output[0] in shuffled)


def _shuffled(model: OnnxModel) -> frozenset[str]:
    return frozenset(proto.input[0] for proto in model.proto.graph.node if proto.op_type == "DepthToSpace")


def _strides(proto: onnx.NodeProto) -> bool:
    """True for a transposed convolution that surely upsamples."""
    return any(a.name == "strides" and max(a.ints, default=1) > 1 for a in proto.attribute)
