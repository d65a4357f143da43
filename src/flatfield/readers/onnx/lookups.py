"""ONNX operators that pick entries by index, or write to them."""

from __future__ import annotations

import numpy as np

from flatfield.core.taps import Ints
from flatfield.readers import axes as ax
from flatfield.readers.onnx.call import Call
from flatfield.readers.onnx.tensors import Array, MalformedError
from flatfield.readers.trace import Value


def gather(call: Call) -> Value:
    """Read `Gather`: one entry, a crop, every n-th entry, repeated entries, windows; or a table of rows."""
    value, index = call.value(0), call.value(1)
    axis = call.axis(len(value.axes))
    sizes = (*value.shape[:axis], *index.shape, *value.shape[axis + 1 :])
    if value.constant:
        around = (*value.axes[:axis], *index.axes, *value.axes[axis + 1 :])
        return call.trace.arranged(call.operator, [index], around)
    if call.weight(1) is None:
        return _looked_up(call, value, axis, sizes)
    numbers = call.known(1, "indices").astype(np.int64)
    places = np.where(numbers < 0, numbers + value.shape[axis], numbers)
    if places.size and (places.min() < 0 or places.max() >= value.shape[axis]):
        raise MalformedError(f"its indices leave an axis of {value.shape[axis]}")
    if not index.shape:
        return call.trace.dropped_axis(call.operator, value, axis)
    if places.ndim == 1:
        return _picked(call, value, axis, places, sizes)
    return _windowed(call, value, axis, places, sizes)


def _looked_up(call: Call, value: Value, axis: int, sizes: Ints) -> Value:
    index = call.value(1)
    if ax.has_space((value.axes[axis],)) or ax.has_space(index.axes):
        reason = "positions are looked up in a table"
        return call.trace.opaque(call.name, call.operator, [value, index], sizes, reason)
    around = (*value.axes[:axis], *ax.constant_axes(index.shape), *value.axes[axis + 1 :])
    return call.trace.arranged(call.operator, [value], around)


def _picked(call: Call, value: Value, axis: int, places: Array, sizes: Ints) -> Value:
    """Entries in a row: everything, a crop, every n-th, or each several times."""
    count, size = len(places), value.shape[axis]
    if count == size and np.array_equal(places, np.arange(size)):
        return value
    if size and count % size == 0 and np.array_equal(places, np.arange(count) // (count // size)):
        repeated = (*value.axes[axis], *ax.fresh("copy", count // size))
        axes = (*value.axes[:axis], repeated, *value.axes[axis + 1 :])
        return call.trace.rearranged(call.operator, value, axes, sizes)
    steps = set(np.abs(np.diff(places)).tolist())
    if len(steps) <= 1:
        return call.trace.strided(call.operator, value, axis, max(steps, default=1) or 1, sizes, name=call.name)
    if not ax.has_space((value.axes[axis],)):
        return call.trace.resized_axis(call.operator, [value], axis, sizes)
    return _looked_up(call, value, axis, sizes)


def _windowed(call: Call, value: Value, axis: int, places: Array, sizes: Ints) -> Value:
    """Windows: an index that is linear in a tap and in a position (`unfold` as exporters spell it)."""
    steps = [np.diff(places, axis=i) for i in range(places.ndim)]
    linear = all(step.size == 0 or (step == step.flat[0]).all() for step in steps)
    if places.ndim != 2 or not linear or 0 in places.shape:
        return _looked_up(call, value, axis, sizes)
    positions = int(np.argmax(places.shape))
    count, step = places.shape[positions], abs(int(steps[positions].flat[0])) if steps[positions].size else 1
    rows = (*value.shape[:axis], count, *value.shape[axis + 1 :])
    taps = places.shape[1 - positions]
    row = call.trace.windows(call.operator, value, axis, taps, step or 1, rows, name=call.name)
    return call.trace.added_axis(call.operator, [row], axis + 1 - positions, taps)


def gather_elements(call: Call) -> Value:
    """Read `GatherElements`: like its indices; harmless where no positions are chosen."""
    value, index = call.value(0), call.value(1)
    axis = call.axis(len(value.axes))
    if len(value.axes) == len(index.axes) and not ax.has_space((value.axes[axis],)):
        fits = all(n == m for i, (n, m) in enumerate(zip(value.shape, index.shape, strict=True)) if i != axis)
        if fits:
            return call.trace.resized_axis(call.operator, [value], axis, index.shape)
    return call.trace.opaque(call.name, call.operator, [value, index], index.shape, "positions are chosen by value")


def gather_nd(call: Call) -> Value:
    """Read `GatherND`: its result has the size of the indices, then of what they leave."""
    value, index, batch = call.value(0), call.value(1, rank=1), call.number("batch_dims", 0)
    if not 0 <= batch <= len(value.axes) - index.shape[-1]:
        raise MalformedError(f"its indices {list(index.shape)} do not suit {list(value.shape)}")
    sizes = (*index.shape[:-1], *value.shape[batch + index.shape[-1] :])
    return call.trace.opaque(call.name, call.operator, [value, index], sizes, "positions are looked up in a table")


def scatter_nd(call: Call) -> Value:
    """Read `ScatterND`: a block written into a tensor; every n-th place would be an upsampling."""
    value, index, update = call.value(0), call.value(1, rank=1), call.value(2)
    places = call.known(1, "indices").reshape(-1, index.shape[-1]).astype(np.int64) if call.weight(1) else None
    steps = [np.diff(np.unique(column)).tolist() for column in places.T] if places is not None else [[0]]
    if any(step != 1 for column in steps for step in column):
        reason = "it writes to places that are not a block"
        return call.trace.opaque(call.name, call.operator, [value, update], value.shape, reason)
    if value.constant and not update.constant and len(update.axes) == len(value.axes):
        return call.trace.written_into(update, value.shape)
    return call.trace.neutral(call.operator, [value, update], value.shape)


def scatter_elements(call: Call) -> Value:
    """Read `ScatterElements`: harmless where no positions are written to."""
    value, update = call.value(0), call.value(2)
    axis = call.axis(len(value.axes))
    if not ax.has_space((value.axes[axis],)) and not (value.constant and ax.has_space(update.axes)):
        return call.trace.neutral(call.operator, [value, update], value.shape)
    return call.trace.opaque(call.name, call.operator, [value, update], value.shape, "positions are chosen by value")
