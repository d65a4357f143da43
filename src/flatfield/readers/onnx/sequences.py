"""ONNX operators on sequences of tensors: exporters spell `split`, `chunk` and `cat` with them."""

from __future__ import annotations

import numpy as np

from flatfield.readers.ledger import merge
from flatfield.readers.onnx.call import Call, NotUnderstoodError, Tensor
from flatfield.readers.onnx.neutral import numbers
from flatfield.readers.onnx.tensors import MalformedError
from flatfield.readers.onnx.views import joined
from flatfield.readers.trace import Value

_MOST_ITEMS = 1 << 12


def _items(call: Call) -> tuple[Tensor, ...]:
    found = call.operand(0).items
    if found is None:
        raise NotUnderstoodError("how long its sequence is can't be told")
    return found


def sequence(items: tuple[Tensor, ...]) -> Tensor:
    """Put tensors into a sequence.

    >>> len(sequence((Tensor(Value(())),)).items)
    1
    """
    if len(items) > _MOST_ITEMS:
        raise NotUnderstoodError(f"a sequence of {len(items)} tensors")
    return Tensor(Value((), merge(item.value.sources for item in items)), items=items)


def constructed(call: Call) -> Tensor:
    """Read `SequenceConstruct` and `SequenceEmpty`."""
    return sequence(tuple(operand for operand in call.operands if operand is not None))


def split_to_sequence(call: Call) -> Tensor:
    """Read `SplitToSequence`: parts of one size, or of the sizes listed; without sizes, single entries."""
    value = call.value(0)
    axis = call.axis(len(value.axes))
    size = value.shape[axis]
    listed = call.known(1, "parts") if call.has(1) else np.asarray(1)
    if listed.ndim == 0:
        part = int(listed)
        if part < 1 or size // part > _MOST_ITEMS:
            raise MalformedError(f"its parts of {part} do not suit an axis of {size}")
        parts = [min(part, size - start) for start in range(0, size, part)]
    else:
        parts = [int(n) for n in listed]
    if sum(parts) != size or min(parts, default=0) < 0:
        raise MalformedError(f"its parts {parts} do not add up to {size}")
    rows = [(*value.shape[:axis], part, *value.shape[axis + 1 :]) for part in parts]
    values = [call.trace.resized_axis(call.operator, [value], axis, row) for row in rows]
    if not call.has(1) and not call.number("keepdims", 1):
        values = [call.trace.dropped_axis(call.operator, value, axis) for value in values]
    return sequence(tuple(Tensor(value) for value in values))


def at(call: Call) -> Tensor:
    """Read `SequenceAt`."""
    items, place = _items(call), call.known_ints(1, "position")
    if len(place) != 1 or not -len(items) <= place[0] < len(items):
        raise MalformedError(f"its position {list(place)} is not one of {len(items)}")
    return items[place[0]]


def inserted(call: Call) -> Tensor:
    """Read `SequenceInsert`: at the end, or at a position."""
    items = list(_items(call))
    place = call.known_ints(2, "position")[0] if call.has(2) else len(items)
    items.insert(place, call.operand(1))
    return sequence(tuple(items))


def length(call: Call) -> Tensor:
    """Read `SequenceLength`."""
    return numbers(call, np.asarray(len(_items(call)), dtype=np.int64))


def concatenated(call: Call) -> Value:
    """Read `ConcatFromSequence`: one after the other, or along a new axis."""
    items = _items(call)
    if not items or any(not item.sized or item.items is not None for item in items):
        raise NotUnderstoodError("the sizes in its sequence are unknown")
    values = [item.value for item in items]
    if not call.number("new_axis", 0):
        return joined(call, values)
    if len({value.shape for value in values}) != 1:
        raise MalformedError("its tensors have different sizes")
    place = call.axis(len(values[0].axes) + 1)
    return call.trace.added_axis(call.operator, values, place, len(values))
