"""Found: the nodes of a plan in a graph, the constants that hold their weights, and who else reads those."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import NodeProto, numpy_helper

from flatfield.core.taps import Ints
from flatfield.cure.onnx.graph import DTYPES, Graph, label, standard
from flatfield.cure.onnx.piece import Array
from flatfield.cure_report import CurePlan, CureStep, Refusal
from flatfield.network import Layer
from flatfield.readers.onnx import read_onnx

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Found:
    """One layer of a plan: its node, its geometry, and for a sub-pixel convolution its rows in PyTorch's order."""

    step: CureStep
    node: NodeProto
    layer: Layer
    rows: Rows | None

    @property
    def role(self) -> tuple[object, ...]:
        """What decides how its weight is changed."""
        layer = self.layer
        return layer.operator, layer.kernel, layer.stride, layer.dilation, layer.groups, _told(self.rows)


def _told(rows: Rows | None) -> tuple[int, ...]:
    return () if rows is None else tuple(rows.tolist())


def grounded(plan: CurePlan, model: onnx.ModelProto, inputs: Sequence[Ints]) -> CurePlan:
    """Move what can't be changed in this graph, with the reason, from the steps of a plan to its refusals.

    `inputs` are the sizes of the graph's inputs, in order.
    """
    if plan.how == "correct":  # stands behind the graph and changes no layer of it
        return plan
    looked = _look(plan, Graph(model), inputs)
    steps = tuple(found.step for found in looked if isinstance(found, Found))
    return replace(plan, steps=steps, refused=(*plan.refused, *(f for f in looked if isinstance(f, Refusal))))


def find(plan: CurePlan, graph: Graph, inputs: Sequence[Ints]) -> tuple[Found, ...]:
    """Find the layers of a plan; raises `ValueError` for a step that can't be done: `grounded` takes those out."""
    found = []
    for entry in _look(plan, graph, inputs):
        if isinstance(entry, Refusal):
            raise ValueError(f"{plan.how} can't change {entry.layer}: {entry.because}")
        found.append(entry)
    return tuple(found)


def _look(plan: CurePlan, graph: Graph, inputs: Sequence[Ints]) -> list[Found | Refusal]:
    layers = {layer.name: layer for layer in _read(graph.model, inputs)}
    nodes = {step.layer: graph.node(step.layer) for step in plan.steps}
    order = _orders(graph, [node for node in nodes.values() if node is not None and standard(node, "Conv")], inputs)
    looked: list[Found | Refusal] = []
    for step in plan.steps:
        node, layer = nodes[step.layer], layers.get(step.layer)
        because = _reason(graph, node, layer, step)
        rows = order.get(step.layer) if step.operator == "SubPixelConv" else None
        if not because and step.operator == "SubPixelConv" and layer is not None:
            because = _mixed(layer, rows)
        if because or node is None or layer is None:
            looked.append(Refusal(step.layer, step.operator, because))
        else:
            looked.append(Found(step, node, layer, rows))
    return looked


def _reason(graph: Graph, node: NodeProto | None, layer: Layer | None, step: CureStep) -> str:
    """Why a layer can't be changed where it is; empty where it can."""
    if layer is None:
        return "it did not run"
    if node is None:
        return "it is inside a function, a loop or a branch: graphs inside a graph are left alone"
    if not standard(node, "Conv", "ConvTranspose"):
        return f"{node.op_type} is not one of ONNX's own convolutions: its weight is kept in another form"
    for place, kind in ((1, "weight"), (2, "bias")):
        if len(node.input) > place and node.input[place]:
            array = graph.array(node.input[place])
            if array is None:
                return f"its {kind} is computed by the graph, or given from outside: there are no numbers to change"
            if array.dtype not in DTYPES.values() and array.dtype != np.float16:
                return f"its {kind} is kept as {array.dtype}: the nearest flat numbers are not among those"
    return ""


def _mixed(layer: Layer, rows: Rows | None) -> str:
    """Phases of one channel must be weights of the same inputs."""
    if rows is None:
        return "its channels are shuffled in an order that can't be told"
    phases = int(np.prod(layer.stride))
    group = rows * layer.groups // len(rows)
    same = bool((group.reshape(-1, phases) == group.reshape(-1, phases)[:, :1]).all())
    return "" if same else "its groups have the phases of a channel look at different inputs: none is flat but zero"


def _read(model: onnx.ModelProto, inputs: Sequence[Ints]) -> tuple[Layer, ...]:
    with tempfile.TemporaryDirectory(prefix="flatfield-") as folder:
        path = Path(folder, "model.onnx")
        path.write_bytes(model.SerializeToString())
        layers = read_onnx(path, inputs=inputs).layers
        for layer in layers:  # the file is gone soon
            _ = layer.unevenness
        return layers


def _orders(graph: Graph, nodes: Sequence[NodeProto], inputs: Sequence[Ints]) -> dict[str, Rows]:
    """Which row of a convolution the shuffle behind it takes where: asked of the reader by numbering the rows."""
    if not nodes:
        return {}
    numbered = onnx.ModelProto()
    numbered.CopyFrom(graph.model)
    twins = [twin for twin, node in zip(numbered.graph.node, graph.proto.node, strict=True) if node in nodes]
    for place, twin in enumerate(twins):
        weight = graph.array(twin.input[1])
        if weight is None:
            continue
        # counted from 1: a grouped weight is written out with zeros between the groups
        rows = np.arange(1, len(weight) + 1, dtype=np.float64).reshape(-1, *(1,) * (weight.ndim - 1))
        twin.input[1] = f"flatfield/numbered/{place}"
        numbers = np.broadcast_to(rows, weight.shape).astype(np.float64)
        numbered.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(numbers), twin.input[1]))
    found = {}
    with tempfile.TemporaryDirectory(prefix="flatfield-") as folder:
        path = Path(folder, "numbered.onnx")
        path.write_bytes(numbered.SerializeToString())
        for layer in read_onnx(path, inputs=inputs).layers:
            if layer.operator == "SubPixelConv" and layer.weight is not None:
                loaded = layer.weight.load().reshape(layer.weight.shape[0], -1)
                found[layer.name] = loaded.max(axis=1).astype(np.int64) - 1
    return found


def change(graph: Graph, changes: Sequence[tuple[Found, Array, Array | None]]) -> tuple[str, ...]:
    """Put new weights (and biases) in the place of old ones; a constant that others read too is left to them.

    It is changed in place where all who read it are changed alike, else the changed node gets a copy of its own.
    Gives a note for each such constant.
    """
    notes: list[str] = []
    roles = {id(found.node): found.role for found, _, _ in changes}
    for found, weight, bias in changes:
        for place, array in ((1, weight), (2, bias)):
            if array is None:
                continue
            name = found.node.input[place]
            others = [node for node in graph.readers[name] if node is not found.node]
            alike = all(roles.get(id(node)) == found.role for node in others) and name not in graph.outputs
            if alike and (name in graph.initializers):
                graph.set_array(name, array)
                continue
            kind = numpy_helper.to_array(graph.initializers[name]).dtype if name in graph.initializers else None
            fresh = graph.piece(label(found.node)).constant(array, "weight" if place == 1 else "bias")
            kept = np.ascontiguousarray(array.astype(kind or np.float32))
            graph.proto.initializer.append(numpy_helper.from_array(kept, fresh))
            found.node.input[place] = fresh
            if others:
                told = ", ".join(dict.fromkeys(label(node) for node in others))
                notes.append(f"{found.step.layer} has a copy of its own of {name} now, which is read by {told} too")
    graph.refresh()
    graph.prune()
    return tuple(dict.fromkeys(notes))


def shapes_of(batch: tuple[Any, ...]) -> list[Ints]:
    """Sizes of the inputs of a batch."""
    return [tuple(int(n) for n in given.shape) for given in batch]
