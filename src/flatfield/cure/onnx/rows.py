"""Rows: Resize, Pad and Conv one behind the other, folded into one transposed convolution of the small picture."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import NodeProto

from flatfield.core.taps import Ints, Pairs
from flatfield.cure.onnx.enlarging import Enlarging, NotFoldableError, enlarging, extension
from flatfield.cure.onnx.graph import DTYPES, Graph, attribute, label, standard, whole_numbers
from flatfield.cure.onnx.spread import Spread, stretched
from flatfield.cure_report import Refusal

Real = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Row:
    """An enlargement and the convolution behind it, as one spread of the small picture padded by `small`."""

    resize: NodeProto
    between: tuple[NodeProto, ...]
    conv: NodeProto
    kernel: Ints
    enlarged: Enlarging
    spread: Spread
    mode: str
    small: Pairs

    @property
    def nodes(self) -> tuple[NodeProto, ...]:
        """Resize, Pad, Conv."""
        return (self.resize, *self.between, self.conv)

    @property
    def multiply_adds(self) -> tuple[int, int]:
        """For each input position and pair of channels: as it is, and fused."""
        return math.prod(self.enlarged.scale) * math.prod(self.kernel), self.spread.multiply_adds


def rows_of(graph: Graph) -> Iterator[Row | Refusal]:
    """Every enlargement: the row that it begins, or why it begins none."""
    for node in graph.proto.node:
        if not standard(node, "Resize", "Upsample") or _keeps_sizes(graph, node):
            continue
        try:
            yield _row(graph, node)
        except NotFoldableError as reason:
            yield Refusal(label(node), node.op_type, str(reason))


def _keeps_sizes(graph: Graph, node: NodeProto) -> bool:
    before, after = (graph.sizes.get(name) for name in (node.input[0], node.output[0]))
    return before is not None and before == after and None not in before


def _row(graph: Graph, node: NodeProto) -> Row:
    enlarged = enlarging(graph, node)
    if max(enlarged.scale) == 1:
        raise NotFoldableError("it enlarges nothing")
    padding, mode, between = ((0, 0),) * len(enlarged.scale), "constant", []
    last = node
    while True:
        reader = _only_reader(graph, last)
        if not standard(reader, "Pad"):
            break
        padding, mode = _padded(graph, reader, padding, mode, len(enlarged.scale))
        between.append(reader)
        last = reader
    if not standard(reader, "Conv") or reader.input[0] != last.output[0]:
        raise NotFoldableError(f"what it enlarges goes to {reader.op_type}, not straight to a convolution")
    spread, mode, small = _folded(graph, reader, enlarged, padding, mode)
    kernel = tuple(weights(graph, reader)[0].shape[2:])
    return Row(node, tuple(between), reader, kernel, enlarged, spread, mode, small)


def _only_reader(graph: Graph, node: NodeProto) -> NodeProto:
    name = node.output[0]
    readers = graph.readers[name]
    if name in graph.outputs or len(readers) != 1 or list(readers[0].input).count(name) != 1:
        others = "the model's outputs" if name in graph.outputs else f"{len(readers)} layers"
        raise NotFoldableError(f"the enlarged picture is read by {others}, so it has to be made anyway")
    return readers[0]


def _padded(graph: Graph, pad: NodeProto, before: Pairs, mode: str, dims: int) -> tuple[Pairs, str]:
    """Add the padding of a Pad to what there is."""
    listed = whole_numbers(pad, "pads", ()) or whole_numbers(pad, "paddings", ())
    if not listed:
        amounts = graph.array(pad.input[1]) if len(pad.input) > 1 else None
        if amounts is None:
            raise NotFoldableError(f"what {label(pad)} pads by is worked out by the graph")
        listed = tuple(int(n) for n in amounts.ravel())
    if len(pad.input) > 3 and pad.input[3]:
        raise NotFoldableError(f"{label(pad)} pads some axes only")
    own = str(attribute(pad, "mode", "constant"))
    filled = graph.array(pad.input[2]) if len(pad.input) > 2 and pad.input[2] else np.zeros(1)
    if own == "constant" and (filled is None or np.any(filled) or attribute(pad, "value", 0.0)):
        raise NotFoldableError(f"{label(pad)} pads with another number than zero")
    rank = len(listed) // 2
    pairs = tuple(zip(listed[:rank], listed[rank:], strict=True))
    if rank != 2 + dims or any(map(any, pairs[:2])):
        raise NotFoldableError(f"{label(pad)} pads the batch or the channels")
    return _summed(before, mode, pairs[2:], own, label(pad))


def _summed(before: Pairs, mode: str, pairs: Pairs, own: str, name: str) -> tuple[Pairs, str]:
    if any(n < 0 for pair in pairs for n in pair):
        raise NotFoldableError(f"{name} cuts the enlarged picture")
    if any(map(any, before)) and any(map(any, pairs)) and mode != own:
        raise NotFoldableError(f"{name} pads by {own} what is padded by {mode}")
    mode = own if any(map(any, pairs)) else mode
    return tuple((a + c, b + d) for (a, b), (c, d) in zip(before, pairs, strict=True)), mode


def _folded(graph: Graph, conv: NodeProto, enlarged: Enlarging, padding: Pairs, mode: str) -> tuple[Spread, str, Pairs]:
    """Fold an enlargement into the convolution behind it."""
    weight, bias, kind = weights(graph, conv)
    dims, kernel = len(enlarged.scale), weight.shape[2:]
    if len(kernel) != dims:
        raise NotFoldableError(f"{label(conv)} has {len(kernel)} axes, the enlargement {dims}")
    if any(s != 1 for s in whole_numbers(conv, "strides", (1,) * dims)):
        raise NotFoldableError(f"{label(conv)} steps over positions")
    dilation = whole_numbers(conv, "dilations", (1,) * dims)
    own = _own_padding(conv, kernel, dilation)
    padding, mode = _summed(padding, mode, own, "constant", label(conv))
    ext = extension(enlarged, padding, mode)
    wide = reduce(lambda w, axis: stretched(w, 2 + axis, dilation[axis]), range(dims), weight)
    groups = int(attribute(conv, "group", 1))  # type: ignore[call-overload]
    pads = []
    for axis, (s, front, box) in enumerate(zip(enlarged.scale, enlarged.front, enlarged.kernels, strict=True)):
        reach, (before, after) = wide.shape[2 + axis] - 1, padding[axis]
        back = len(box) - s - front
        small = ext.small[axis]
        pads.append((front + reach - before + s * small[0], back + reach - after + s * small[1]))
    spread = Spread(_fold(wide, enlarged, groups), bias, enlarged.scale, tuple(pads), (1,) * dims, groups, kind)
    return spread, ext.mode, ext.small


def _fold(weight: Real, enlarged: Enlarging, groups: int) -> Real:
    """A convolution's (out, in / groups, *kernel) written from the input: flipped, and spread by the interpolation."""
    rows, columns = weight.shape[:2]
    split = weight.reshape(groups, rows // groups, columns, *weight.shape[2:])
    folded = np.swapaxes(split, 1, 2).reshape(groups * columns, rows // groups, *weight.shape[2:])
    folded = np.flip(folded, tuple(range(2, folded.ndim)))
    for axis, box in enumerate(enlarged.kernels):
        folded = np.apply_along_axis(np.convolve, 2 + axis, folded, box)
    return folded


def weights(graph: Graph, node: NodeProto) -> tuple[Real, Real | None, np.dtype[Any]]:
    """Weight and bias of a layer in double precision, and the type they have; `NotFoldableError` where not constant."""
    weight = graph.array(node.input[1])
    if weight is None:
        raise NotFoldableError(f"the weight of {label(node)} is computed by the graph, or given from outside")
    if weight.dtype not in DTYPES.values():
        raise NotFoldableError(f"the weight of {label(node)} is {weight.dtype}: rounding it anew would show")
    bias = None
    if len(node.input) > 2 and node.input[2]:
        bias = graph.array(node.input[2])
        if bias is None:
            raise NotFoldableError(f"the bias of {label(node)} is computed by the graph, or given from outside")
        bias = bias.astype(np.float64)
    return weight.astype(np.float64), bias, weight.dtype


def _own_padding(conv: NodeProto, kernel: Ints, dilation: Ints) -> Pairs:
    auto = str(attribute(conv, "auto_pad", "NOTSET"))
    dims = len(kernel)
    if auto.startswith("SAME"):
        totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        less = [(total // 2, total - total // 2) for total in totals]
        return tuple(less if auto == "SAME_UPPER" else [(b, a) for a, b in less])
    pads: Sequence[int] = (0,) * 2 * dims if auto == "VALID" else whole_numbers(conv, "pads", (0,) * 2 * dims)
    return tuple(zip(pads[:dims], pads[dims:], strict=True))
