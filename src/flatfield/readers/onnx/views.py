"""ONNX operators that lay a tensor out anew: reshapes, permutations, slices, joins and copies."""

from __future__ import annotations

import math
from collections.abc import Sequence

from flatfield.core.taps import Ints
from flatfield.readers import axes as ax
from flatfield.readers.onnx.call import Call, Result, broadcast_shape, counted
from flatfield.readers.onnx.tensors import MalformedError, checked_shape
from flatfield.readers.trace import Value


def _reshaped(call: Call, value: Value, sizes: Sequence[int]) -> Value:
    sizes = checked_shape(tuple(sizes), "its output")
    if math.prod(sizes) != math.prod(value.shape):
        raise MalformedError(f"its input {list(value.shape)} does not fit into {list(sizes)}")
    return call.trace.rearranged(call.operator, value, ax.reshape(value.axes, sizes), sizes)


def reshape(call: Call) -> Value:
    """Read `Reshape`: 0 keeps an axis, -1 takes what is left."""
    value, wanted = call.value(0), call.setting("shape", 1) or ()
    sizes = list(wanted)
    if not call.number("allowzero", 0):
        if any(n == 0 and i >= len(value.axes) for i, n in enumerate(sizes)):
            raise MalformedError(f"its shape {sizes} keeps an axis that its input {list(value.shape)} has not")
        sizes = [value.shape[i] if n == 0 else n for i, n in enumerate(sizes)]
    if -1 in sizes:
        rest = math.prod(n for n in sizes if n != -1)
        sizes[sizes.index(-1)] = math.prod(value.shape) // rest if rest > 0 else 0
    return _reshaped(call, value, sizes)


def squeeze(call: Call) -> Value:
    """Read `Squeeze`: without axes, every axis of one place goes."""
    value, axes = call.value(0), call.setting("axes", 1)
    rank = len(value.axes)
    gone = {i for i, n in enumerate(value.shape) if n == 1} if axes is None else {counted(a, rank) for a in axes}
    return _reshaped(call, value, [n for i, n in enumerate(value.shape) if i not in gone])


def unsqueeze(call: Call) -> Value:
    """Read `Unsqueeze`: axes of one place, counted in the result."""
    value, axes = call.value(0), call.setting("axes", 1) or ()
    rank = len(value.axes) + len(axes)
    new = {counted(axis, rank) for axis in axes}
    if len(new) != len(axes):
        raise MalformedError(f"its axes {list(axes)} name one twice")
    old = iter(value.shape)
    return _reshaped(call, value, [1 if i in new else next(old) for i in range(rank)])


def flatten(call: Call) -> Value:
    """Read `Flatten`: a matrix, cut in front of an axis."""
    value = call.value(0)
    rank, place = len(value.axes), call.number("axis", 1)
    if not -rank <= place <= rank:
        raise MalformedError(f"its axis {place} is not one of {rank}")
    place += rank if place < 0 else 0
    return _reshaped(call, value, (math.prod(value.shape[:place]), math.prod(value.shape[place:])))


def permutation(call: Call, rank: int) -> Ints:
    """Give the order of a `Transpose`; without one the axes are turned round."""
    order = call.numbers("perm", rank) or tuple(reversed(range(rank)))
    if sorted(order) != list(range(rank)):
        raise MalformedError(f"its perm {list(order)} is no permutation")
    return order


def transpose(call: Call) -> Value:
    """Read `Transpose`."""
    value = call.value(0)
    axes = tuple(value.axes[i] for i in permutation(call, len(value.axes)))
    return call.trace.rearranged(call.operator, value, axes, ax.shape(axes))


def expand(call: Call) -> Value:
    """Read `Expand`: axes of one place are copied."""
    value = call.value(0)
    wanted = checked_shape(call.known_ints(1, "sizes"), "its output")
    return call.trace.expanded(call.operator, value, checked_shape(broadcast_shape([value.shape, wanted]), "it"))


def tile(call: Call) -> Value:
    """Read `Tile`: the whole tensor several times over."""
    value, counts = call.value(0), call.known_ints(1, "repeats")
    if len(counts) != len(value.axes) or min(counts, default=1) < 0:
        raise MalformedError(f"its repeats {list(counts)} must be {len(value.axes)} numbers")
    sizes = checked_shape(tuple(n * c for n, c in zip(value.shape, counts, strict=True)), "its output")
    return call.trace.expanded(call.operator, value, sizes)


def slices(call: Call, shape: Ints) -> tuple[slice, ...]:
    """Give the slice of every axis, with starts and ends as Python counts them."""
    starts, ends = call.setting("starts", 1) or (), call.setting("ends", 2) or ()
    axes = call.setting("axes", 3) or tuple(range(len(starts)))
    steps = call.known_ints(4, "steps") if call.has(4) else (1,) * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps):
        raise MalformedError("its starts, ends, axes and steps are not equally many")
    if 0 in steps:
        raise MalformedError("its step is 0")
    result = [slice(None)] * len(shape)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        place = counted(axis, len(shape))
        first, last, _ = slice(start, end, step).indices(shape[place])
        result[place] = slice(first, None if last < 0 else last, step)
    return tuple(result)


def sliced(call: Call) -> Value:
    """Read `Slice`: cropping, or every step-th entry."""
    value = call.value(0)
    for axis, part in enumerate(slices(call, value.shape)):
        sizes = list(value.shape)
        sizes[axis] = len(range(*part.indices(sizes[axis])))
        if part.step not in (1, None) or sizes[axis] != value.shape[axis]:
            value = call.trace.strided(call.operator, value, axis, abs(part.step), sizes, name=call.name)
    return value


def joined_shape(shapes: Sequence[Ints], axis: int) -> Ints:
    """Give the size of tensors one after the other along an axis.

    >>> joined_shape([(1, 3, 8), (1, 5, 8)], 1)
    (1, 8, 8)
    """
    rests = {(*shape[:axis], *shape[axis + 1 :]) for shape in shapes}
    if len(rests) != 1:
        raise MalformedError(f"its inputs {' and '.join(str(list(s)) for s in shapes)} do not fit together")
    return (*shapes[0][:axis], sum(shape[axis] for shape in shapes), *shapes[0][axis + 1 :])


def joined(call: Call, operands: Sequence[Value]) -> Value:
    """Join operands one after the other."""
    rank = len(operands[0].axes) if operands else 0
    axis = call.axis(rank, otherwise=1)
    if any(len(value.axes) != rank for value in operands):
        raise MalformedError("its inputs have different numbers of axes")
    filled = [value for value in operands if math.prod(value.shape)] or list(operands[:1])
    return call.trace.resized_axis(call.operator, filled, axis, joined_shape([v.shape for v in filled], axis))


def concat(call: Call) -> Value:
    """Read `Concat`."""
    return joined(call, call.values())


def split_sizes(call: Call, size: int) -> Ints:
    """Give the lengths of the parts of a `Split`: equal ones, the last may be shorter."""
    given = call.setting("split", 1)
    count = call.number("num_outputs", call.outputs)
    if given is None:
        part = -(-size // count) if count > 0 else 0
        given = tuple(min(part, max(0, size - i * part)) for i in range(min(count, size + 1)))
    if sum(given) != size or min(given, default=0) < 0:
        raise MalformedError(f"its parts {list(given)} do not add up to {size}")
    return given


def split(call: Call) -> Result:
    """Read `Split`: an axis cut in pieces."""
    value = call.value(0)
    axis = call.axis(len(value.axes))
    parts = split_sizes(call, value.shape[axis])
    rows = [(*value.shape[:axis], part, *value.shape[axis + 1 :]) for part in parts]
    return [call.trace.resized_axis(call.operator, [value], axis, sizes) for sizes in rows]
