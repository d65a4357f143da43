"""Unfuse: every transposed convolution as Conv, DepthToSpace and Slice, for runtimes that lack ConvTranspose."""

from __future__ import annotations

import math
from collections.abc import Iterator

import onnx
from onnx import NodeProto

from flatfield.core.taps import Ints, Pairs
from flatfield.cure.examples import Examples, Progress
from flatfield.cure.onnx.enlarging import NotFoldableError
from flatfield.cure.onnx.graph import Graph, attribute, label, standard, whole_numbers
from flatfield.cure.onnx.rows import weights
from flatfield.cure.onnx.spread import Sizes, Spread
from flatfield.cure_report import CurePlan, CureStep, Refusal


def plan(model: onnx.ModelProto, target: str) -> CurePlan:
    """Say which transposed convolutions of a model become convolutions, and why the others do not."""
    graph = Graph(model)
    found = list(_look(graph))
    inner = (Refusal(f"{where}/{label(n)}", n.op_type, "graphs inside a graph are left alone")
             for where, n in graph.inner if standard(n, "ConvTranspose"))  # fmt: skip
    steps = tuple(entry for entry in found if isinstance(entry, CureStep))
    return CurePlan(target, "unfuse", steps, (*(entry for entry in found if isinstance(entry, Refusal)), *inner))


def unfuse(
    plan: CurePlan, model: onnx.ModelProto, examples: Examples, progress: Progress
) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """Put a convolution to all phases, and their shuffle into space, in the place of every planned ConvTranspose.

    On a copy; exact at borders and for every size of the input. Raises `ValueError` for a step that can't be done.
    Source: Shi et al. 2016 (a transposed convolution is a sub-pixel convolution in another order of memory).
    """
    graph = Graph(model)
    found = [(step, graph.node(step.layer)) for step in plan.steps]
    for step, node in found:
        if node is None:
            raise ValueError(f"unfuse can't change {step.layer}: no node has this name")
    # a node that is gone no longer counts among those of its name: tensors are named once
    for place, output in enumerate([node.output[0] for _, node in found if node is not None]):
        progress("rewriting", place, len(plan.steps))
        node = graph.writers[output]
        spread = transposed_convolution(graph, node)
        piece = graph.piece(label(node))
        sizes = graph.sizes.get(node.input[0])
        open_sizes: Sizes = (None,) * len(spread.stride)
        piece.end(spread.as_phases(piece, node.input[0], sizes[2:] if sizes else open_sizes), node.output[0], like=node)
        graph.put(piece, node)
    progress("rewriting", len(plan.steps), len(plan.steps))
    return graph.model, ()


def _look(graph: Graph) -> Iterator[CureStep | Refusal]:
    seen: dict[str, int] = {}
    for node in graph.proto.node:
        if not standard(node, "ConvTranspose"):
            continue
        count = seen[label(node)] = seen.get(label(node), 0) + 1
        name = label(node) if count == 1 else f"{label(node)}#{count}"
        try:
            spread = transposed_convolution(graph, node)
        except NotFoldableError as reason:
            yield Refusal(name, node.op_type, str(reason))
            continue
        now, then = math.prod(spread.weight.shape[2:]), spread.multiply_adds
        shuffle = "Conv" if set(spread.stride) == {1} else "Conv, then its channels as phases"
        yield CureStep(name, node.op_type, shuffle, f"{now} multiply-adds a position now, {then} then")


def transposed_convolution(graph: Graph, node: NodeProto) -> Spread:
    """Read a ConvTranspose; raises `NotFoldableError` for weights that are computed and sizes that are asked for."""
    weight, bias, kind = weights(graph, node)
    kernel, dims = weight.shape[2:], weight.ndim - 2
    stride = whole_numbers(node, "strides", (1,) * dims)
    dilation = whole_numbers(node, "dilations", (1,) * dims)
    groups = int(attribute(node, "group", 1))  # type: ignore[call-overload]
    pads = _pads(graph, node, stride, tuple(d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)))
    return Spread(weight, bias, stride, pads, dilation, groups, kind)


def _pads(graph: Graph, node: NodeProto, stride: Ints, reach: Ints) -> Pairs:
    """Padding of every axis, output padding taken off its end."""
    dims = len(stride)
    extra = whole_numbers(node, "output_padding", (0,) * dims)
    auto = str(attribute(node, "auto_pad", "NOTSET"))
    wanted = whole_numbers(node, "output_shape", ())
    if wanted:
        sizes = graph.sizes.get(node.input[0])
        if sizes is None or None in sizes[2:]:
            raise NotFoldableError("it is told the size of its output: how much it pads depends on the input's")
        rows = zip(sizes[2:], stride, reach, extra, wanted[-dims:], strict=True)
        totals = [(int(n or 0) - 1) * s + r + o - m for n, s, r, o, m in rows]
        return _split(totals, upper=auto == "SAME_UPPER", extra=extra)
    if auto.startswith("SAME"):
        totals = [r + o - s for s, r, o in zip(stride, reach, extra, strict=True)]
        return _split(totals, upper=auto == "SAME_UPPER", extra=extra)
    pads = (0,) * 2 * dims if auto == "VALID" else whole_numbers(node, "pads", (0,) * 2 * dims)
    return tuple((a, b - o) for a, b, o in zip(pads[:dims], pads[dims:], extra, strict=True))


def _split(totals: list[int], *, upper: bool, extra: Ints) -> Pairs:
    if any(total < 0 for total in totals):
        raise NotFoldableError("it is told a size larger than its kernel reaches")
    halves = [(t // 2, t - t // 2) if upper else (t - t // 2, t // 2) for t in totals]
    return tuple((a, b - o) for (a, b), o in zip(halves, extra, strict=True))
