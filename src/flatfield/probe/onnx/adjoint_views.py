"""Adjoints of ONNX operators that move, join, cut and sum up positions and channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from flatfield.probe.onnx.back import Arriving, Back, NoAdjointError, Rule
from flatfield.probe.period import reshaped


def reshape(back: Back) -> Mapping[int, Arriving]:
    """`Reshape` and its kin: the old shape again."""
    before = back.node.shape()
    found, _ = reshaped(back.periods, back.node.output_shape, before)
    return back.to(0, back.shaped(back.gradient, before), found)


def transpose(back: Back) -> Mapping[int, Arriving]:
    """`Transpose`: the order undone."""
    rank = len(back.periods)
    order = list(back.node.attributes.get("perm") or range(rank)[::-1])
    undone = [order.index(axis) for axis in range(rank)]
    name = back.add("Transpose", back.gradient, perm=undone)
    return back.to(0, name, tuple(back.periods[axis] for axis in undone))


def expand(back: Back) -> Mapping[int, Arriving]:
    """`Expand`: the sum of all copies."""
    return back.to_operand(0, back.gradient, back.periods)


def _taken(back: Back, axis: int, indices: Sequence[int]) -> str:
    return back.add("Gather", back.gradient, back.into.constant(np.array(indices, np.int64)), axis=axis)


def joined(back: Back) -> Mapping[int, Arriving]:
    """`Concat`: to each operand its own part."""
    axis = int(back.node.attributes["axis"]) % len(back.node.output_shape)
    if back.periods[axis] > 0:
        raise NoAdjointError("Concat along positions")
    found: dict[int, Arriving] = {}
    start = 0
    for place in range(len(back.node.proto.input)):
        count = back.node.shape(place)[axis]
        if back.wants(place):
            found |= back.to(place, _taken(back, axis, range(start, start + count)), back.periods)
        start += count
    return found


def sliced(back: Back) -> Mapping[int, Arriving]:
    """`Slice`: positions cut off see the plane go on, channels cut off get nothing."""
    shape, outputs, node = back.node.shape(), back.node.output_shape, back.node
    rank = len(shape)
    starts, axes, steps = (node.numbers(place) for place in (1, 3, 4))
    if starts is None or (steps is not None and set(np.ravel(steps).tolist()) != {1}):
        raise NoAdjointError("Slice with steps, or with a start that is not in the file")
    places = [int(a) % rank for a in np.ravel(axes)] if axes is not None else list(range(len(np.ravel(starts))))
    name, size = back.gradient, list(outputs)
    for axis, start in zip(places, np.ravel(starts).tolist(), strict=True):
        first = max(0, start + shape[axis]) if start < 0 else min(start, shape[axis])
        rest = shape[axis] - outputs[axis] - first
        if node.periods()[axis] > 0:
            sides = [(first, rest) if a == axis else (0, 0) for a in range(rank)]
            name = back.into.extended(name, tuple(size), sides, [max(1, p) for p in back.periods])
        else:
            name = _between_zeros(back, name, size, axis, first, rest)
        size[axis] = shape[axis]
    return back.to(0, name, back.periods)


def _between_zeros(back: Back, name: str, size: Sequence[int], axis: int, before: int, after: int) -> str:
    def zeros(count: int) -> list[str]:
        shape = [count if a == axis else n for a, n in enumerate(size)]
        return [back.number(np.zeros(shape))] if count > 0 else []

    parts = [*zeros(before), name, *zeros(after)]
    return back.add("Concat", *parts, axis=axis) if len(parts) > 1 else name


def pad(back: Back) -> Mapping[int, Arriving]:
    """`Pad`: positions in the margins are others of the same plane; channels in them go nowhere."""
    node, shape, outputs = back.node, back.node.shape(), back.node.output_shape
    listed, axes = node.attributes.get("pads", node.numbers(1)), node.numbers(3)
    if listed is None:
        raise NoAdjointError("Pad with amounts that are not in the file")
    rank = len(shape)
    places = [int(a) % rank for a in axes] if axes is not None else list(range(rank))
    before = [0] * rank
    for i, axis in enumerate(places):
        before[axis] = int(listed[i])
    sides = [(-b, n - m + b) for b, n, m in zip(before, shape, outputs, strict=True)]
    name = back.into.extended(back.gradient, outputs, sides, [max(1, p) for p in back.periods])
    return back.to(0, name, back.periods)


def reduced(back: Back) -> Mapping[int, Arriving]:
    """`ReduceMean`, `ReduceSum`: to every entry the same."""
    shape = back.node.shape()
    listed = back.node.attributes.get("axes", back.node.numbers(1))
    rank = len(shape)
    axes = [int(a) % rank for a in listed] if listed is not None and len(listed) else list(range(rank))
    kept = [1 if axis in axes else n for axis, n in enumerate(shape)]
    name = back.widened(back.shaped(back.gradient, kept), shape)
    if back.node.operator == "ReduceMean":
        name = back.add("Mul", name, back.number(1.0 / np.prod([shape[axis] for axis in axes])))
    periods = iter(back.periods if back.node.attributes.get("keepdims", 1) else ())
    left = list(periods) or _spread_over(back.periods, axes, rank)
    return back.to(0, name, tuple(1 if axis in axes else left[axis] for axis in range(rank)))


def _spread_over(periods: Sequence[int], gone: Sequence[int], rank: int) -> list[int]:
    rest = iter(periods)
    return [1 if axis in gone else next(rest, 0) for axis in range(rank)]


def product(back: Back) -> Mapping[int, Arriving]:
    """`MatMul`: the other side, transposed."""
    node, found = back.node, {}
    ranks = [len(node.shape(place)) for place in (0, 1)]
    if min(ranks) < 2 or (ranks[0] != ranks[1] and (back.wants(1) or ranks[1] != 2)):
        raise NoAdjointError("MatMul of several ranks")
    for place in (0, 1):
        if back.wants(place):
            rank = ranks[1 - place]
            turned = back.add("Transpose", back.x(1 - place), perm=[*range(rank - 2), rank - 1, rank - 2])
            sides = (back.gradient, turned) if place == 0 else (turned, back.gradient)
            found.update(back.to(place, back.add("MatMul", *sides)))
    return found


def gemm(back: Back) -> Mapping[int, Arriving]:
    """`Gemm`: as a product, for the left side."""
    attributes = back.node.attributes
    if attributes.get("transA") or back.wants(1) or back.wants(2):
        raise NoAdjointError("Gemm of two sides that come from the input")
    turned = int(not attributes.get("transB", 0))
    name = back.add("Gemm", back.gradient, back.x(1), transB=turned, alpha=float(attributes.get("alpha", 1.0)))
    return back.to(0, name)


def softmax(back: Back) -> Mapping[int, Arriving]:
    """`Softmax` along one axis: y (g - sum of g y)."""
    rank = len(back.periods)
    axis = int(back.node.attributes.get("axis", -1 if back.opset >= 13 else 1)) % rank
    if back.opset < 13 and axis != rank - 1:
        raise NoAdjointError("Softmax over several axes")
    shared = back.summed(back.add("Mul", back.gradient, back.y), [axis])
    return back.to(0, back.add("Mul", back.y, back.add("Sub", back.gradient, shared)), back.met(0))


ADJOINTS: dict[str, Rule] = {
    **dict.fromkeys(("Reshape", "Flatten", "Squeeze", "Unsqueeze"), reshape),
    "Transpose": transpose, "Expand": expand, "Concat": joined, "Slice": sliced, "Pad": pad,
    "ReduceMean": reduced, "ReduceSum": reduced, "MatMul": product, "Gemm": gemm, "Softmax": softmax,
}  # fmt: skip
