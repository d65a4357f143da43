"""Rewrite a whole ONNX graph for the torus, with a switch behind every layer that draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import onnx

from flatfield.core.taps import Ints
from flatfield.probe.onnx_model import Array, OnnxModel
from flatfield.probe.onnx_node import OnnxNode, Rewriting
from flatfield.probe.onnx_norms import OVER_POSITIONS, frozen
from flatfield.probe.onnx_torus import LAYERS, pad, upsamples
from flatfield.probe.onnx_views import RULES, SHAPES, unknown
from flatfield.probe.period import OTHER, Periods, reshaped, spatial_axes
from flatfield.probe.plan import FIRST, INPUT

FLAG = "flatfield/flatten/"
_START = "flatfield/start"


@dataclass(frozen=True)
class Stage:
    """A layer in the rewritten graph: the names of what it reads and writes, and their periods."""

    name: str
    operator: str
    upsamples: bool
    before: str
    after: str
    periods_before: Periods
    periods_after: Periods


@dataclass
class Rewritten:
    """The rewritten graph and its layers in order; `start` is where the flat field begins."""

    into: Rewriting
    start: str
    stages: list[Stage] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)


def rewrite(model: OnnxModel, shapes: Mapping[str, Ints], found: Mapping[str, Array], start: str) -> Rewritten:
    """Rewrite `model` so that a flat field begins at `start`.

    `found` holds numbers of a run on the example: the file's own, amounts and axes, and what normalisations saw.
    Raises `WindowTooSmallError` where a tensor shows less than one period.
    """
    into = Rewriting(dict(shapes), found)
    result = Rewritten(into, "input" if start == INPUT else "")
    shuffled = frozenset(n.input[0] for n in model.proto.graph.node if n.op_type == "DepthToSpace")
    if start == INPUT:
        _feed(model, into)
    for proto in model.proto.graph.node:
        node = OnnxNode.of(proto, into)
        if not result.start and _begins(node, start, shuffled):
            result.start = node.label
            node = _begin(node)
        if not any(name in into.known for name in node.proto.input):
            node.copy()
        elif node.operator in LAYERS:
            _layer(node, result)
        else:
            _other(node, result, found)
    return result


def _feed(model: OnnxModel, into: Rewriting) -> None:
    for name, value in model.feeds.items():
        if value.ndim > 2 and np.issubdtype(value.dtype, np.floating):
            periods = (OTHER, OTHER, *(1,) * (value.ndim - 2))
            into.names[name] = into.flattened(name, value.shape, periods)
            into.known[name] = periods


def _begins(node: OnnxNode, start: str, shuffled: frozenset[str]) -> bool:
    """A convolution whose channels are shuffled is one layer with the shuffle: the flat field comes before both."""
    if node.operator not in LAYERS or len(node.shape()) < 3:
        return False
    if start != FIRST:
        return node.label == start
    return upsamples(node) or (node.operator == "Conv" and node.proto.output[0] in shuffled)


def _begin(node: OnnxNode) -> OnnxNode:
    """Put a flat field in the place of the node's input, for this node alone."""
    into, shape = node.into, node.shape()
    periods = (OTHER, OTHER, *(1,) * (len(shape) - 2))
    into.names[_START] = into.flattened(into.name(node.input()), shape, periods)
    into.known[_START] = periods
    into.shapes = {**into.shapes, _START: shape}
    proto = onnx.NodeProto()
    proto.CopyFrom(node.proto)
    proto.input[0] = _START
    return OnnxNode.of(proto, into)


def _layer(node: OnnxNode, result: Rewritten) -> None:
    into, drawing = node.into, upsamples(node)
    before = into.name(node.input())
    name, periods = LAYERS[node.operator](node)
    _stage(node, result, (before, name), periods, drawing=drawing)


def _stage(
    node: OnnxNode, result: Rewritten, ends: tuple[str, str], periods: Periods, *, drawing: bool, called: str = ""
) -> None:
    """Note a layer; behind one that draws stands a switch between what it wrote and its spatial mean."""
    into, (before, name) = node.into, ends
    shape = node.output_shape
    after = name
    if drawing and spatial_axes(periods) == tuple(range(2, len(shape))):
        flag = f"{FLAG}{len(result.flags)}"
        result.flags.append(flag)
        name = into.add("Where", [flag, into.flattened(name, shape, periods), name])
    elif drawing:
        node.note("can't be flattened: its channels are not its second axis")
        drawing = False
    operator = called or ("Resize" if node.operator == "Upsample" else _NAMES.get(node.operator, node.operator))
    stage = Stage(node.label, operator, drawing, before, after, node.periods(), periods)
    result.stages.append(_with_convolution(stage, result.stages))
    into.names[node.proto.output[0]] = name
    into.known[node.proto.output[0]] = periods


def _with_convolution(stage: Stage, earlier: list[Stage]) -> Stage:
    """A shuffle and the convolution right in front of it are one layer: a sub-pixel convolution."""
    if stage.operator != "PixelShuffle" or not earlier or earlier[-1].after != stage.before:
        return stage
    front = earlier.pop()
    return replace(stage, name=front.name, before=front.before, periods_before=front.periods_before)


_NAMES = {"DepthToSpace": "PixelShuffle", "SpaceToDepth": "PixelUnshuffle", "MaxPool": "Pool", "AveragePool": "Pool",
          "GlobalAveragePool": "Pool", "GlobalMaxPool": "Pool", "LpPool": "Pool"}  # fmt: skip


def _other(node: OnnxNode, result: Rewritten, found: Mapping[str, Array]) -> None:
    into = node.into
    if node.operator in SHAPES:
        node.copy()
        return
    if node.operator == "Pad":
        name, periods = pad(node)
    else:
        frozen_name = frozen(node, found) if node.operator in OVER_POSITIONS else None
        periods = RULES.get(node.operator, unknown)(node)
        before = into.name(node.input())
        name = frozen_name or node.copy()
        if node.operator == "Reshape" and reshaped(node.periods(), node.shape(), node.output_shape)[1]:
            _stage(node, result, (before, name), periods, drawing=True, called="PixelShuffle")
            return
    for output in node.proto.output:
        if output:
            into.known[output] = periods if len(periods) == len(into.shapes[output]) else _none(into, output)
    if name != node.proto.output[0]:
        into.names[node.proto.output[0]] = name
    origin = into.origins.get(node.input())
    if origin is not None and node.operator not in ("Reshape", "Flatten") and node.output_shape == node.shape():
        into.origins[node.proto.output[0]] = origin


def _none(into: Rewriting, output: str) -> Periods:
    return (OTHER,) * len(into.shapes[output])
