"""ONNX operators that leave positions where they are: how periods follow, a literal table."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from flatfield.probe.onnx.node import OnnxNode
from flatfield.probe.period import COPY, MIXED, OTHER, Periods, after_downsampling, reshaped, spatial_axes, together

Rule = Callable[[OnnxNode], Periods]


def pointwise(node: OnnxNode) -> Periods:
    """Every operand at the same position; one that is not flat and comes from elsewhere is a leak.

    What is in a tensor from elsewhere is known where the file holds it; else a tensor with positions may vary.
    """
    shape = node.output_shape
    places = [i for i, name in enumerate(node.proto.input) if name]
    flat = [(node.shape(i), node.periods(i)) for i in places if node.input(i) in node.into.known]
    result = list(together(shape, flat))
    for i in places:
        if node.input(i) in node.into.known:
            continue
        size, numbers = node.shape(i), node.numbers(i)
        for back in range(1, len(size) + 1):
            if result[-back] <= 0 or size[-back] == 1:
                continue
            if numbers is not None and np.all(numbers == np.take(numbers, [0], len(size) - back)):
                continue
            node.into.ledger.leak(node.label, node.operator)
            result[-back] = math.lcm(result[-back], size[-back])
    return tuple(result)


def same(node: OnnxNode) -> Periods:
    """A function of each position's channels."""
    return node.periods()


def reshape(node: OnnxNode) -> Periods:
    """`Reshape`, `Flatten`, `Squeeze`, `Unsqueeze`: told by the sizes; back to an old shape, back to old periods."""
    before, after, periods = node.shape(), node.output_shape, node.periods()
    origin = node.into.origins.get(node.input())
    if origin is not None and origin[0] == after:
        return origin[1]
    found, _ = reshaped(periods, before, after)
    if MIXED in found:
        node.into.origins[node.proto.output[0]] = origin or (before, periods)
        if any(p > 1 for p in periods) and len(after) < 3:
            node.note("lays positions out as channels: whatever follows knows where each one is")
    return found


def transpose(node: OnnxNode) -> Periods:
    """Axes in another order."""
    periods = node.periods()
    order = node.attributes.get("perm") or range(len(periods))[::-1]
    return tuple(periods[axis] for axis in order)


def expand(node: OnnxNode) -> Periods:
    """`Expand`: copies of the only entry of an axis."""
    shape, size, periods = node.output_shape, node.shape(), node.periods()
    new = len(shape) - len(size)
    grown = [COPY if n == 1 and m > 1 and p <= 0 else p for n, m, p in zip(size, shape[new:], periods, strict=True)]
    return (*(COPY,) * new, *grown)


def tile(node: OnnxNode) -> Periods:
    """`Tile`: the whole window again, and again."""
    return tuple(p if p <= 0 or n % p == 0 else n for p, n in zip(node.periods(), node.shape(), strict=True))


def sliced(node: OnnxNode) -> Periods:
    """`Slice`: cropping, or every step-th entry; backwards is no window."""
    periods = list(node.periods())
    rank = len(periods)
    axes, steps = node.numbers(3), node.numbers(4)
    places = [int(a) % rank for a in axes] if axes is not None else list(range(rank))
    for axis, step in zip(places, steps if steps is not None else [1] * len(places), strict=False):
        if step < 0 and periods[axis] > 0:
            node.note("turns positions round")
        periods[axis] = after_downsampling(periods[axis], abs(int(step)))
    return tuple(periods)


def joined(node: OnnxNode) -> Periods:
    """`Concat`: along channels operands meet; along positions the plane ends where one operand does."""
    rank = len(node.output_shape)
    axis = int(node.attributes["axis"]) % rank
    result = list(pointwise_but(node, axis))
    if result[axis] > 0:
        node.note("joins tensors along positions")
        result[axis] = node.output_shape[axis]
    return tuple(result)


def pointwise_but(node: OnnxNode, axis: int) -> Periods:
    """As if the operands met elementwise on all axes but one."""
    result = list(pointwise(node))
    own = {node.periods(i)[axis] for i in range(len(node.proto.input)) if node.input(i) in node.into.known}
    result[axis] = max(own, default=OTHER)
    return tuple(result)


def looked_up(node: OnnxNode) -> Periods:
    """`Gather`: one entry or several of an axis."""
    axis = int(node.attributes.get("axis", 0)) % max(1, len(node.shape()))
    periods = node.periods()
    if periods[axis] > 0:
        node.note("looks positions up one by one")
    return (*periods[:axis], *(OTHER,) * len(node.shape(1)), *periods[axis + 1 :])


def product(node: OnnxNode) -> Periods:
    """`MatMul`, `Gemm`: rows of the left side, columns of the right one."""
    rows, columns = node.periods(0), node.periods(1)
    if len(rows) < 2 or len(columns) < 2 or node.attributes.get("transA"):
        return (OTHER,) * len(node.output_shape)
    inner = (rows[-1], columns[-1 if node.attributes.get("transB") else -2])
    if max(inner) > 1 and min(inner) <= 0:
        node.note("weighs every position by its own number: it knows absolute positions")
    lead = together(node.output_shape[:-2], [(node.shape(i)[:-2], p[:-2]) for i, p in ((0, rows), (1, columns))])
    return (*lead, rows[-2], columns[-2 if node.attributes.get("transB") else -1])


def reduced(node: OnnxNode) -> Periods:
    """`Reduce...`: one number for the axes."""
    rank = len(node.shape())
    listed = node.attributes.get("axes", node.numbers(1))
    axes = {int(a) % rank for a in listed} if listed is not None else set(range(rank))
    kept = bool(node.attributes.get("keepdims", 1))
    for axis in axes & set(spatial_axes(node.periods())):
        if node.periods()[axis] > 1 and node.shape()[axis] % node.periods()[axis]:
            node.note("averages over a window that is no whole number of periods")
    return tuple(1 if a in axes and p > 0 else p for a, p in enumerate(node.periods()) if kept or a not in axes)


def along(node: OnnxNode) -> Periods:
    """Cumulative sums and their kin: harmless along channels, not along positions."""
    rank = len(node.periods())
    listed: Any = node.numbers(1) if node.operator == "CumSum" else node.attributes.get("axis", -1)
    axis = int(np.ravel(listed)[0]) % rank if listed is not None else 0
    if node.periods()[axis] > 0:
        node.note("works along positions from one end to the other")
    return node.periods()


def unknown(node: OnnxNode) -> Periods:
    """Anything else: run as it is and listed; a result of the same shape keeps its positions."""
    node.note("not understood: run as it is")
    place = next(i for i, name in enumerate(node.proto.input) if name in node.into.known)
    if node.output_shape == node.shape(place):
        return tuple(n if p > 0 else p for n, p in zip(node.shape(place), node.periods(place), strict=True))
    return (OTHER,) * len(node.output_shape)


_POINTWISE = (  # noqa: SIM905 - one long list of words
    "Abs Acos Acosh Add And Asin Asinh Atan Atanh BitShift Cast CastLike Ceil Celu Clip Cos Cosh DequantizeLinear Div "
    "Dropout Elu Equal Erf Exp Floor Gelu Greater GreaterOrEqual HardSigmoid HardSwish Identity IsInf IsNaN LeakyRelu "
    "Less LessOrEqual Log Max Mean Min Mish Mod Mul Neg Not Or PRelu Pow QuantizeLinear Reciprocal Relu Round Selu "
    "Shrink Sigmoid Sign Sin Sinh Softplus Softsign Sqrt Sub Sum Swish Tan Tanh ThresholdedRelu Where Xor"
).split()
_REDUCE = ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare")
RULES: dict[str, Rule] = {
    **dict.fromkeys(_POINTWISE, pointwise),
    **dict.fromkeys(("Softmax", "LogSoftmax", "Hardmax", "LpNormalization", "LRN", "BatchNormalization", "Split",
                     "InstanceNormalization", "GroupNormalization", "LayerNormalization",
                     "RMSNormalization", "MeanVarianceNormalization"), same),
    **dict.fromkeys(("Reshape", "Flatten", "Squeeze", "Unsqueeze"), reshape),
    "Transpose": transpose, "Expand": expand, "Tile": tile, "Slice": sliced, "Concat": joined, "Gather": looked_up,
    "MatMul": product, "Gemm": product, "CumSum": along, "ArgMax": reduced, "ArgMin": reduced,
    **{f"Reduce{name}": reduced for name in _REDUCE},
}  # fmt: skip
SHAPES = frozenset(("Shape", "Size", "ConstantOfShape", "Range", "NonZero"))
"""Operators that take a size from a tensor, and no positions."""
