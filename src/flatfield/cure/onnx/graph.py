"""Graph: a copy of an ONNX model whose nodes are replaced; all that is not touched keeps its name and its place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import onnx
from onnx import AttributeProto, NodeProto, TensorProto, helper, numpy_helper, shape_inference

from flatfield.cure.onnx.piece import Array, Piece

Sizes = tuple[int | None, ...]
_SMALL = 1 << 12  # entries of a constant that shape inference may need the numbers of


def label(node: NodeProto) -> str:
    """Name a node as the reader does.

    >>> label(helper.make_node("Relu", ["x"], ["y"]))
    'Relu_y'
    """
    return str(node.name) or f"{node.op_type}_{node.output[0]}"


def standard(node: NodeProto, *operators: str) -> bool:
    """True for a node of ONNX's own operators with one of these names."""
    return node.domain in ("", "ai.onnx") and node.op_type in operators


@dataclass
class Graph:
    """The outermost graph of a model; graphs inside it (If, Loop) and local functions are left as they are.

    Holds a model of its own: what is given is copied, never changed.
    """

    model: onnx.ModelProto

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = onnx.ModelProto()
        self.model.CopyFrom(model)
        self.refresh()

    def refresh(self) -> None:
        """Look again at who writes and reads what, after nodes have been changed."""
        self.initializers = {tensor.name: tensor for tensor in self.proto.initializer}
        self.writers = {name: node for node in self.proto.node for name in node.output if name}
        self.readers: dict[str, list[NodeProto]] = defaultdict(list)
        for node in self.proto.node:
            for name in dict.fromkeys((*node.input, *_captured(node))):
                self.readers[name].append(node)

    @property
    def proto(self) -> onnx.GraphProto:
        """The graph itself."""
        return self.model.graph

    @cached_property
    def opset(self) -> int:
        """Version of the standard operators."""
        return max((o.version for o in self.model.opset_import if o.domain in ("", "ai.onnx")), default=1)

    @cached_property
    def outputs(self) -> frozenset[str]:
        """Names of what the graph gives."""
        return frozenset(value.name for value in self.proto.output)

    @cached_property
    def names(self) -> set[str]:
        """Every name of a tensor or node, those of inner graphs too."""
        used = {value.name for value in (*self.proto.input, *self.proto.output)} | set(self.initializers)
        for node in self.proto.node:
            used.update((node.name, *node.input, *node.output, *_inside(node)))
        return used

    @cached_property
    def _given(self) -> frozenset[str]:
        """Initialisers that whoever runs the model may give other numbers: inputs too, since IR version 4."""
        inputs = {value.name for value in self.proto.input}
        return frozenset(inputs & set(self.initializers)) if self.model.ir_version >= 4 else frozenset()

    def array(self, name: str) -> Array | None:
        """The numbers of a constant; None where they are computed, or may be given from outside."""
        if name in self.initializers and name not in self._given:
            return np.asarray(numpy_helper.to_array(self.initializers[name]))
        writer = self.writers.get(name)
        if writer is None or not standard(writer, "Constant", "Identity"):
            return None
        if writer.op_type == "Identity":
            return self.array(writer.input[0])
        return _constant(writer.attribute[0]) if writer.attribute else None

    def node(self, layer: str) -> NodeProto | None:
        """The node that the reader calls by this name: `up`, or `up#2` for the second of that name."""
        for name, place in ((layer, 0), (layer.rpartition("#")[0], _number(layer) - 1)):
            same: list[NodeProto] = [node for node in self.proto.node if node.output and label(node) == name]
            if 0 <= place < len(same):
                return same[place]
        return None

    @cached_property
    def sizes(self) -> Mapping[str, Sizes]:
        """Sizes of tensors as far as they follow from the inputs' declared sizes; None on an open axis."""
        slim = onnx.ModelProto()
        slim.CopyFrom(self.model)
        del slim.graph.initializer[:]
        for tensor in self.proto.initializer:  # inference needs the numbers of few and small ones
            if int(np.prod(tensor.dims)) <= _SMALL:
                slim.graph.initializer.append(tensor)
            elif tensor.name not in {value.name for value in slim.graph.input}:
                slim.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
        try:
            inferred = shape_inference.infer_shapes(slim, data_prop=True)
        except (shape_inference.InferenceError, ValueError, RuntimeError):
            inferred = slim  # what the file declares is all that is known
        return {value.name: sizes for value in _declared(inferred.graph) if (sizes := _sizes(value)) is not None}

    def piece(self, base: str) -> Piece:
        """Begin nodes to be put into the graph, with names nobody uses."""
        count = 1
        while any(name.startswith(f"{base}/{count}/") for name in self.names):
            count += 1
        self.names.add(f"{base}/{count}/")
        return Piece(f"{base}/{count}/", self.opset)

    def put(self, piece: Piece, place: NodeProto, gone: Iterable[NodeProto] = ()) -> None:
        """Put a piece in the place of a node, and take others away too; constants nobody reads go with them."""
        gone_too = {id(node) for node in gone}
        nodes: list[NodeProto] = []
        for node in self.proto.node:
            if node is place:
                nodes.extend(piece.nodes)
            elif id(node) not in gone_too:
                nodes.append(node)
        kept = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
        del self.proto.node[:]
        self.proto.node.extend(kept)
        for name, array in piece.arrays.items():
            self.proto.initializer.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
            self.names.add(name)
        self.refresh()
        self.prune()

    def set_array(self, name: str, array: Array) -> None:
        """Give a constant other numbers, of its own type."""
        tensor = self.initializers.get(name)
        writer = self.writers.get(name)
        if tensor is None:
            assert writer is not None
            tensor = writer.attribute[0].t
        kind = numpy_helper.to_array(tensor).dtype
        fresh = numpy_helper.from_array(np.ascontiguousarray(array.astype(kind)), tensor.name)
        fresh.doc_string = tensor.doc_string
        tensor.CopyFrom(fresh)

    def prune(self) -> None:
        """Drop constants that nobody reads any more, and what the file says about tensors that are gone."""
        read = set(self.outputs) | {name for node in self.proto.node for name in (*node.input, *_captured(node))}
        inputs = {value.name for value in self.proto.input}
        stale = [n for n in self.proto.node if standard(n, "Constant") and not read & set(n.output)]
        for node in stale:
            self.proto.node.remove(node)
        for tensor in [t for t in self.proto.initializer if t.name not in read and t.name not in inputs]:
            self.proto.initializer.remove(tensor)
        there = read | {name for node in self.proto.node for name in node.output}
        for value in [v for v in self.proto.value_info if v.name not in there]:
            self.proto.value_info.remove(value)
        self.refresh()

    @property
    def inner(self) -> Iterator[tuple[str, NodeProto]]:
        """Nodes of graphs in the graph and of local functions, with where they are: they are never changed."""
        for function in self.model.functions:
            yield from ((f"function {function.name}", node) for node in function.node)
        for node in self.proto.node:
            yield from ((label(node), inner) for inner in _nodes_inside(node))


def _number(layer: str) -> int:
    tail = layer.rpartition("#")[2]
    return int(tail) if tail.isdigit() else 0


def _constant(attribute: AttributeProto) -> Array | None:
    if attribute.name == "value":
        return np.asarray(numpy_helper.to_array(attribute.t))
    value = helper.get_attribute_value(attribute)
    kinds = {"value_int": np.int64, "value_ints": np.int64, "value_float": np.float32, "value_floats": np.float32}
    return np.asarray(value, kinds[attribute.name]) if attribute.name in kinds else None


def _graphs(node: NodeProto) -> Iterator[onnx.GraphProto]:
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            yield attribute.g
        yield from attribute.graphs


def _nodes_inside(node: NodeProto) -> Iterator[NodeProto]:
    for graph in _graphs(node):
        for inner in graph.node:
            yield inner
            yield from _nodes_inside(inner)


def _captured(node: NodeProto) -> Iterator[str]:
    """What graphs inside a node read, whether it is theirs or the outer graph's."""
    for inner in _nodes_inside(node):
        yield from inner.input
    for graph in _graphs(node):
        yield from (value.name for value in graph.output)


def _inside(node: NodeProto) -> Iterator[str]:
    for inner in _nodes_inside(node):
        yield from (inner.name, *inner.input, *inner.output)


def _declared(graph: onnx.GraphProto) -> Iterator[onnx.ValueInfoProto]:
    yield from graph.input
    yield from graph.output
    yield from graph.value_info


def _sizes(value: onnx.ValueInfoProto) -> Sizes | None:
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        return None
    return tuple(d.dim_value if d.dim_value > 0 else None for d in tensor.shape.dim)


def attribute(node: NodeProto, name: str, otherwise: object = None) -> object:
    """The value of an attribute, or another where it is absent; words come as text."""
    for entry in node.attribute:
        if entry.name == name:
            value = helper.get_attribute_value(entry)
            return value.decode() if isinstance(value, bytes) else value
    return otherwise


def whole_numbers(node: NodeProto, name: str, otherwise: Sequence[int]) -> tuple[int, ...]:
    """An attribute of whole numbers."""
    found = next((entry.ints for entry in node.attribute if entry.name == name), None)
    return tuple(int(n) for n in (otherwise if found is None else found))


DTYPES = {TensorProto.FLOAT: np.float32, TensorProto.DOUBLE: np.float64}
