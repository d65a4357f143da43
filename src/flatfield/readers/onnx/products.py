"""ONNX operators that mix channels with matrices: products, recurrences and attention."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from flatfield.network import Weight
from flatfield.readers import axes as ax
from flatfield.readers.onnx.call import Call, NotUnderstoodError, Result, Tensor, broadcast_shape
from flatfield.readers.onnx.tensors import Array, MalformedError, checked_shape
from flatfield.readers.trace import Value


def turned(value: Value) -> Value:
    """Swap the last two axes."""
    return replace(value, axes=(*value.axes[:-2], value.axes[-1], value.axes[-2]), pad=(), pad_mode="")


def product(call: Call, left: Value, right: Value, weight: Weight | None) -> Value:
    """Note a matrix product: a linear map where the right side is a matrix of numbers, attention where neither is."""
    if min(len(left.axes), len(right.axes)) < 2:
        return _with_vector(call, left, right)
    if left.shape[-1] != right.shape[-2]:
        raise MalformedError(f"its inputs {list(left.shape)} and {list(right.shape)} can't be multiplied")
    lead = broadcast_shape([left.shape[:-2], right.shape[:-2]])
    sizes = checked_shape((*lead, left.shape[-2], right.shape[-1]), "its output")
    if right.constant and not left.constant:
        if weight is not None and len(right.axes) == 2:
            transposed = Weight(weight.shape[::-1], lambda: weight.load().T)
            return call.trace.linear(call.name, left, transposed)
        if len(lead) == len(left.axes) - 2:
            return call.trace.mixed_columns(call.operator, left, sizes)
    if left.constant and not right.constant and len(lead) == len(right.axes) - 2:
        return call.trace.mixed_rows(call.operator, right, sizes)
    return call.trace.product(call.operator, left, right, sizes)


def _with_vector(call: Call, left: Value, right: Value) -> Value:
    """A product with a vector sums over an axis of the other side."""
    if not left.axes or not right.axes:
        raise MalformedError("a product needs at least vectors")
    whole, over = (left, -1) if len(right.axes) == 1 else (right, -2)
    if left.shape[-1] != right.shape[max(-2, -len(right.axes))]:
        raise MalformedError(f"its inputs {list(left.shape)} and {list(right.shape)} can't be multiplied")
    return call.trace.reduced(call.operator, whole, [over], keep=False)


def matmul(call: Call, places: tuple[int, int] = (0, 1)) -> Value:
    """Read `MatMul`, `QLinearMatMul` and `MatMulInteger`: `places` are the operands that are multiplied."""
    left, right = (call.value(place) for place in places)
    exact = call.weight(places[1]) if call.operator in ("MatMul", "FusedMatMul") else None
    if call.number("transA", 0):
        left = turned(left)
    if call.number("transB", 0):
        right, exact = turned(right), Weight(exact.shape[::-1], _flip(exact)) if exact else None
    return product(call, left, right, exact)


def _flip(weight: Weight) -> Callable[[], Array]:
    return lambda: weight.load().T


def gemm(call: Call) -> Value:
    """Read `Gemm`: a product with one bias."""
    left, right = call.value(0, rank=2), call.value(1, rank=2)
    weight = call.weight(1)
    if call.number("transA", 0):
        left = turned(left)
    if call.number("transB", 0):
        right = turned(right)
        weight = Weight(weight.shape[::-1], _flip(weight)) if weight and len(weight.shape) == 2 else None
    return product(call, left, right, weight)


def einsum(call: Call) -> Value:
    """Read `Einsum`: every letter of the result is an axis of the operand that knows most about it."""
    equation = call.word("equation").replace(" ", "")
    operands = call.values()
    terms, arrow, result = equation.partition("->")
    letters = terms.split(",")
    if not arrow or "." in equation:
        raise NotUnderstoodError(f"the equation {equation!r} names no result or leaves axes out")
    if len(letters) != len(operands) or any(len(t) != len(v.axes) for t, v in zip(letters, operands, strict=True)):
        raise MalformedError(f"the equation {equation!r} does not suit its inputs")
    known: dict[str, ax.Axis] = {}
    for term, value in sorted(zip(letters, operands, strict=True), key=lambda pair: pair[1].constant):
        for letter, axis in zip(term, value.axes, strict=True):
            if not known.get(letter):
                known[letter] = axis
    if set(result) - set(known):
        raise MalformedError(f"the equation {equation!r} makes an axis out of nothing")
    fresh = {letter: ax.fresh("channel", ax.size(known[letter])) for letter in result}
    axes = tuple(known[x] if ax.has_space((known[x],)) else fresh[x] for x in result)
    checked_shape(ax.shape(axes), "its output")
    return call.trace.arranged(call.operator, operands, axes)


def recurrent(call: Call) -> Result:
    """Read `GRU`, `LSTM` and `RNN`: time and batch stay, channels are new; the last state has no time."""
    value, hidden = call.value(0), call.value(2).shape
    if len(value.axes) != 3 or len(hidden) != 3:
        raise MalformedError(f"its input {list(value.shape)} and weights {list(hidden)} must have 3 axes")
    size, directions = hidden[2], ax.fresh("constant", hidden[0])
    batch_first = call.number("layout", 0)
    time, batch = (value.axes[1], value.axes[0]) if batch_first else value.axes[:2]
    channel = ax.fresh("channel", size)
    whole = (batch, time, directions, channel) if batch_first else (time, directions, batch, channel)
    state = (batch, directions, channel) if batch_first else (directions, batch, channel)
    last = call.trace.arranged(call.operator, [value], state)
    if not ax.has_space(state):
        last = replace(last, sources=(), between=())
    return [call.trace.arranged(call.operator, [value], whole), *[last] * (call.outputs - 1)]


def attention(call: Call) -> Result:
    """Read `Attention`: rows of the query, columns of the values; caches follow."""
    query, values = call.value(0, rank=3), call.value(2, rank=3)
    if len(query.axes) == 4:
        sizes = (*query.shape[:-1], values.shape[-1])
        first = call.trace.product(call.operator, query, values, sizes) if len(values.axes) == 4 else query
    else:
        heads, kept = call.number("q_num_heads", 1), call.number("kv_num_heads", 1)
        if kept < 1 or heads < 1 or values.shape[-1] % kept:
            raise MalformedError(f"its {heads} and {kept} heads do not suit {values.shape[-1]} channels")
        channel = ax.fresh("channel", values.shape[-1] // kept * heads)
        first = call.trace.arranged(call.operator, [query, values], (*query.axes[:-1], channel))
    return [first, *[Tensor(Value((), first.sources), sized=False)] * (call.outputs - 1)]


def fused_attention(call: Call) -> Result:
    """Read the fused attentions of ONNX Runtime: (batch, row, channel) in and out."""
    query = call.value(0, rank=3)
    if len(query.axes) != 3:
        raise NotUnderstoodError("it packs query, key and value in an order of its own")
    packed = call.value(1, rank=2).shape[-1] // 3 if call.operator == "Attention" else 0
    channel = ax.fresh("channel", packed or query.shape[-1])
    first = call.trace.arranged(call.operator, [query], (*query.axes[:-1], channel))
    return [first, *[Tensor(Value((), first.sources), sized=False)] * (call.outputs - 1)]


def packed_product(call: Call) -> Value:
    """Read `MatMulNBits`: a product with weights of a few bits, (in, out) in its attributes."""
    value, inputs, outputs = call.value(0, rank=2), call.number("K", 0), call.number("N", 0)
    if inputs != value.shape[-1] or outputs < 1:
        raise MalformedError(f"its weight {inputs}x{outputs} does not suit its input {list(value.shape)}")
    sizes = checked_shape((*value.shape[:-1], outputs), "its output")
    return call.trace.mixed_columns(call.operator, value, sizes)
