"""Rewrite a whole ONNX graph for the torus, with a switch behind every layer that draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from flatfield.core.taps import Ints
from flatfield.probe.onnx.begin import Begin
from flatfield.probe.onnx.model import Array, OnnxModel
from flatfield.probe.onnx.node import OnnxNode, Rewriting
from flatfield.probe.onnx.norms import OVER_POSITIONS, frozen
from flatfield.probe.onnx.torus import LAYERS, pad, upsamples
from flatfield.probe.onnx.views import RULES, SHAPES, unknown
from flatfield.probe.period import OTHER, Periods, reshaped, spatial_axes
from flatfield.probe.unhonoured import Ledger

FLAG = "flatfield/flatten/"


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
    """The rewritten graph and its layers in order, with a flag for every one that draws."""

    into: Rewriting
    stages: list[Stage] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)


def rewrite(
    model: OnnxModel,
    shapes: Mapping[str, Ints],
    found: Mapping[str, Array],
    begin: Begin,
    known: Mapping[str, Periods],
    *,
    strict: bool = False,
) -> Rewritten:
    """Rewrite `model` for a torus on which the fields of `begin`, with periods that are `known`, go on for ever.

    `found` holds numbers of a run on the example: the file's own, amounts and axes, and what normalisations saw.
    Raises `WindowTooSmallError`, if `strict`, where a tensor shows less than one period.
    """
    into = Rewriting(dict(shapes), found, known=dict(known), ledger=Ledger(lenient=not strict))
    result = Rewritten(into)
    for place, proto in enumerate(model.proto.graph.node):
        node = OnnxNode.of(begin.put(place, proto), into)
        if not any(name in into.known for name in node.proto.input):
            node.copy()
        elif node.operator in LAYERS:
            _layer(node, result)
        else:
            _other(node, result, found)
    return result


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
