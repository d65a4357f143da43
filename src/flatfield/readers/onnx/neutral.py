"""ONNX operators that leave positions where they are: elementwise, normalisations, reductions, sources."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from flatfield.core.taps import Ints
from flatfield.readers import axes as ax
from flatfield.readers.onnx.call import Call, NotUnderstoodError, Result, Tensor, broadcast_shape, counted
from flatfield.readers.onnx.tensors import Array, MalformedError, array_weight, checked_shape
from flatfield.readers.onnx.views import joined
from flatfield.readers.settle import mosaic
from flatfield.readers.trace import Value

_MOST_ENTRIES = 1 << 12  # of a constant that an operator makes out of nothing and that is kept
_BIAS = ("Add", "Sub", "BiasAdd")


def elementwise(call: Call) -> Result:
    """Any pointwise operator; adding a constant or scaling by one number keeps the memory of who wrote the channels."""
    operands = call.values()
    return _pointwise(call, operands)


def _pointwise(call: Call, operands: Sequence[Value]) -> Value:
    sizes = checked_shape(broadcast_shape([value.shape for value in operands]), "its output")
    others = [value for value in operands if value.constant]
    keeps = call.operator in _BIAS or all(math.prod(value.shape) == 1 for value in others)
    return call.trace.neutral(call.operator, operands, sizes, keeps_writer=keeps)


def same(call: Call) -> Result:
    """Read copies, casts and (de)quantisation: the first operand goes on; masks and scales are constants."""
    value = call.operand(0)
    mask = [call.trace.constant(())] * (call.outputs - 1)
    return [Tensor(value.value, sized=value.sized, items=value.items), *mask]


def first(call: Call, count: int = 1, start: int = 0, step: int = 1) -> Result:
    """Read an operator whose first result is the `count` operands from `start` on, the rest its parameters."""
    places = range(start, start + count * step, step)
    value = _pointwise(call, [call.value(place) for place in places if call.has(place)])
    return [value, *_details(call, value)]


def normalised(call: Call) -> Result:
    """Read a normalisation: channels are mixed with statistics."""
    value = call.value(0)
    if mosaic(value.axes):  # channels of a group beside the positions: exporters lay them out so for one norm
        result = call.trace.arranged(call.operator, [value], ax.anonymous_channels(value.axes))
    else:
        result = call.trace.neutral(call.operator, [value], value.shape)
    return [result, *_details(call, value)]


def _details(call: Call, value: Value) -> list[Tensor]:
    """Further results that training needs: statistics whose size does not matter here."""
    return [Tensor(Value((), value.sources), sized=False)] * (call.outputs - 1)


def reduced_axes(call: Call, rank: int) -> tuple[int, ...]:
    """Give the axes of a reduction: an attribute or an operand; without any, all."""
    axes = call.setting("axes", 1)
    if not axes:
        return () if call.number("noop_with_empty_axes", 0) else tuple(range(rank))
    return tuple(counted(axis, rank) for axis in axes)


def reduced(call: Call) -> Value:
    """Read a sum, mean, maximum ... over some axes."""
    value = call.value(0)
    over = reduced_axes(call, len(value.axes))
    if not over:
        return value
    return call.trace.reduced(call.operator, value, over, keep=bool(call.number("keepdims", 1)))


def place_of_extreme(call: Call) -> Value:
    """Read `ArgMax` and `ArgMin`."""
    value = call.value(0)
    axis = call.axis(len(value.axes))
    return call.trace.reduced(call.operator, value, [axis], keep=bool(call.number("keepdims", 1)))


def top(call: Call) -> Result:
    """Read `TopK`: harmless where no positions are chosen."""
    value = call.value(0, rank=1)
    axis = call.axis(len(value.axes), otherwise=-1)
    chosen = call.setting("k", 1) if "k" not in call.attributes else (call.number("k", 1),)
    if not chosen or len(chosen) != 1:
        raise MalformedError("its k must be one number")
    sizes = checked_shape((*value.shape[:axis], chosen[0], *value.shape[axis + 1 :]), "its output")
    if ax.has_space((value.axes[axis],)):
        result = call.trace.opaque(call.name, call.operator, [value], sizes, "positions are chosen by value")
    else:
        result = call.trace.resized_axis(call.operator, [value], axis, sizes)
    return [result] * call.outputs


def one_hot(call: Call) -> Value:
    """Read `OneHot`: every index becomes a row of channels."""
    value, depth = call.value(0), call.known_ints(1, "depth")
    if len(depth) != 1:
        raise MalformedError("its depth must be one number")
    place = call.axis(len(value.axes) + 1, otherwise=-1)
    checked_shape((*value.shape, *depth), "its output")
    return call.trace.added_axis(call.operator, [value], place, depth[0])


def blind(call: Call, reason: str, sizes: Ints | None = None) -> Value:
    """Read an operator known to move positions in a way that no layer describes."""
    raise NotUnderstoodError(reason)


def sampled(call: Call) -> Value:
    """Read `GridSample`: positions come out of another tensor."""
    value, grid = call.value(0, rank=3), call.value(1, rank=3)
    sizes = (*value.shape[:2], *grid.shape[1:-1])
    return call.trace.opaque(call.name, call.operator, [value, grid], sizes, "positions are computed while it runs")


def region(call: Call) -> Value:
    """Read `RoiAlign` and `MaxRoiPool`: regions come out of another tensor."""
    value, regions = call.value(0, rank=4), call.value(1, rank=2)
    height, width = (call.number(f"output_{side}", 1) for side in ("height", "width"))
    pooled = call.numbers("pooled_shape", 2) or (height, width)
    sizes = checked_shape((regions.shape[0], value.shape[1], *pooled), "its output")
    return call.trace.opaque(call.name, call.operator, [value, regions], sizes, "regions are computed while it runs")


def shape_of(call: Call) -> Tensor:
    """Read `Shape` and `Size`: all sizes are known."""
    sizes = call.value(0).shape
    if call.operator == "Size":
        return numbers(call, np.asarray(math.prod(sizes), dtype=np.int64))
    chosen = sizes[call.number("start", 0) : call.number("end", len(sizes))]
    return numbers(call, np.asarray(chosen, dtype=np.int64))


def numbers(call: Call, array: Array) -> Tensor:
    """Give numbers at hand as a tensor of the graph."""
    return Tensor(call.trace.constant(array.shape), array_weight(array))


def filled(call: Call) -> Tensor:
    """Read `ConstantOfShape`: one number everywhere."""
    sizes = checked_shape(call.known_ints(0, "sizes"), "its output")
    number = call.tensor("value")
    if math.prod(sizes) > _MOST_ENTRIES:
        return Tensor(call.trace.constant(sizes))
    if number is None or math.prod(number.shape) != 1:
        return numbers(call, np.zeros(sizes, np.float32))
    return numbers(call, np.full(sizes, number.load().ravel()[0]))


def constant(call: Call) -> Tensor:
    """Read `Constant`: a tensor, or numbers in an attribute."""
    weight = call.tensor("value")
    if weight is not None:
        return Tensor(call.trace.constant(weight.shape), weight)
    if "sparse_value" in call.attributes:
        dims = call.attributes["sparse_value"].sparse_tensor.dims
        return Tensor(call.trace.constant(checked_shape(tuple(dims), "its tensor")))
    if "value_float" in call.attributes:
        return numbers(call, np.asarray(call.attributes["value_float"].f, dtype=np.float32))
    if "value_floats" in call.attributes:
        return numbers(call, np.asarray(call.reals("value_floats"), dtype=np.float32))
    if "value_ints" in call.attributes:
        return numbers(call, np.asarray(call.numbers("value_ints"), dtype=np.int64))
    return numbers(call, np.asarray(call.number("value_int", 0), dtype=np.int64))


def counted_up(call: Call) -> Tensor:
    """Read `Range`: start, limit, step."""
    start, limit, step = (float(call.known(i, "ends").ravel()[0]) for i in range(3))
    if not all(map(math.isfinite, (start, limit, step))) or step == 0:
        raise MalformedError(f"it can't count from {start} to {limit} in steps of {step}")
    count = max(0, math.ceil((limit - start) / step))
    checked_shape((count,), "its output")
    if count > _MOST_ENTRIES:
        return Tensor(call.trace.constant((count,)))
    steps: Array = start + step * np.arange(count)
    return numbers(call, steps.astype(call.known(0, "ends").dtype))


def nonzero(call: Call) -> Tensor:
    """Read `NonZero`: places that depend on the numbers."""
    found = call.known(0, "numbers")
    return numbers(call, np.asarray(np.nonzero(np.atleast_1d(found)), dtype=np.int64))


def source(call: Call) -> Value:
    """Read random numbers, windows and identity matrices: nothing of the input is in them."""
    if call.has(0) and (call.operator.endswith(("Like", "Window"))):
        sizes = call.value(0).shape if call.operator.endswith("Like") else call.known_ints(0, "size")
    else:
        sizes = call.numbers("shape") or ()
    return call.trace.constant(checked_shape(sizes, "its output"))


def joined_triples(call: Call, start: int) -> Value:
    """Read `QLinearConcat`: every third operand from `start` on is joined; scales and zero points follow each."""
    return joined(call, [call.value(place) for place in range(start, len(call.operands), 3)])
