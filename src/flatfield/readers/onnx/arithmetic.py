"""Arithmetic on tensors that do not depend on the input: shapes, scales, indices, and what becomes of weights.

A literal table, operator -> numpy. Sizes are checked before anything is computed: `shape` is that of the result.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np

from flatfield.core.taps import Ints
from flatfield.readers.onnx.call import Call
from flatfield.readers.onnx.neutral import reduced_axes
from flatfield.readers.onnx.tensors import Array, MalformedError, widened
from flatfield.readers.onnx.views import permutation, slices, split_sizes
from onnx import helper

Compute = Callable[..., Array | list[Array]]


def _unary(function: Any) -> Compute:
    return lambda call, shape, array: np.asarray(function(array))


def _ufunc(function: Any) -> Compute:
    return lambda call, shape, *arrays: np.asarray(reduce(function, arrays))


def _divided(numerator: Array, denominator: Array) -> Array:
    """Integers are cut off towards zero."""
    if numerator.dtype.kind not in "iu":
        return np.asarray(numerator / denominator)
    safe = np.where(denominator == 0, 1, denominator)
    floor = numerator // safe
    return np.asarray(floor + ((floor < 0) & (floor * safe != numerator)))


def _power(base: Array, exponent: Array) -> Array:
    return np.asarray(np.power(base.astype(np.float64), exponent).astype(base.dtype))


def _kept(call: Call, shape: Ints, array: Array, *_: Array) -> Array:
    return array.reshape(shape)


def _cast(call: Call, shape: Ints, array: Array, *like: Array) -> Array:
    if like:
        return array.astype(like[0].dtype)
    try:
        return array.astype(widened(np.zeros(1, helper.tensor_dtype_to_np_dtype(call.number("to", 1)))).dtype)
    except (KeyError, TypeError):
        raise MalformedError(f"its type {call.number('to', 1)} does not exist") from None


def _transposed(call: Call, shape: Ints, array: Array) -> Array:
    return array.transpose(permutation(call, array.ndim))


def _joined(call: Call, shape: Ints, *arrays: Array) -> Array:
    return np.concatenate(arrays, axis=call.number("axis", 0))


def _split(call: Call, shape: Ints, array: Array, *_: Array) -> list[Array]:
    axis = call.number("axis", 0)
    return np.split(array, np.cumsum(split_sizes(call, array.shape[axis]))[:-1], axis=axis)


def _sliced(call: Call, shape: Ints, array: Array, *_: Array) -> Array:
    return array[slices(call, array.shape)]


def _gathered(call: Call, shape: Ints, array: Array, index: Array) -> Array:
    return np.asarray(np.take(array, index.astype(np.int64), axis=call.number("axis", 0)))


def _expanded(call: Call, shape: Ints, array: Array, *_: Array) -> Array:
    return np.broadcast_to(array, shape)


def _tiled(call: Call, shape: Ints, array: Array, counts: Array) -> Array:
    return np.tile(array, tuple(counts.tolist()))


def _chosen(call: Call, shape: Ints, condition: Array, yes: Array, no: Array) -> Array:
    return np.where(condition, yes, no)


def _clipped(call: Call, shape: Ints, array: Array, *ends: Array) -> Array:
    result = np.maximum(array, ends[0]) if ends else array
    return np.asarray(np.minimum(result, ends[1]) if len(ends) > 1 else result)


def _reduced(function: Any) -> Compute:
    def compute(call: Call, shape: Ints, array: Array, *_: Array) -> Array:
        over = reduced_axes(call, array.ndim)
        return np.asarray(function(array, axis=over) if over else array).reshape(shape)

    return compute


def _along(call: Call, numbers: Array, like: Array) -> Array:
    """Scales and zero points stand for the whole tensor, for one axis each, or for blocks of an axis."""
    if numbers.size == 1 or numbers.ndim == 0:
        return numbers.reshape(())
    axis = call.number("axis", 1)
    if numbers.ndim == 1:
        row = [1] * like.ndim
        row[axis] = -1
        return numbers.reshape(row)
    block = call.number("block_size", 0)
    if not 1 <= block <= like.shape[axis]:
        raise MalformedError(f"its block size {block} does not suit an axis of {like.shape[axis]}")
    kept = [slice(None)] * like.ndim
    kept[axis] = slice(like.shape[axis])
    return np.repeat(numbers, block, axis=axis)[tuple(kept)]


def _dequantised(call: Call, shape: Ints, array: Array, scale: Array, zero: Array | None = None) -> Array:
    """`(q - zero) scale`."""
    numbers: Array = array.astype(np.float32)
    if zero is not None:
        numbers = numbers - _along(call, zero.astype(np.float32), array)
    return np.asarray(numbers * _along(call, scale.astype(np.float32), array))


def _quantised(call: Call, shape: Ints, array: Array, scale: Array, zero: Array | None = None) -> Array:
    """`round(x / scale) + zero`, within the range of the zero point's type."""
    kind = np.dtype(np.uint8) if zero is None else zero.dtype
    steps = np.round(array / _along(call, scale, array))
    if zero is not None:
        steps = steps + _along(call, zero.astype(np.float32), array)
    if kind.kind not in "iu":
        return np.asarray(steps)
    return np.asarray(np.clip(steps, np.iinfo(kind).min, np.iinfo(kind).max).astype(kind))


def _norm(array: Array, axis: tuple[int, ...]) -> Array:
    return np.asarray(np.sqrt(np.sum(array.astype(np.float64) ** 2, axis=axis)))


ARITHMETIC: dict[str, Compute] = {
    "Identity": _kept, "Dropout": _kept, "Reshape": _kept, "Squeeze": _kept, "Unsqueeze": _kept, "Flatten": _kept,
    "Cast": _cast, "CastLike": _cast, "Transpose": _transposed, "Concat": _joined, "Split": _split,
    "Slice": _sliced, "Gather": _gathered, "Expand": _expanded, "Tile": _tiled, "Where": _chosen, "Clip": _clipped,
    "Add": _ufunc(np.add), "Sub": _ufunc(np.subtract), "Mul": _ufunc(np.multiply), "Div": _ufunc(_divided),
    "Pow": _ufunc(_power), "Mod": _ufunc(np.mod), "Max": _ufunc(np.maximum), "Min": _ufunc(np.minimum),
    "Neg": _unary(np.negative), "Abs": _unary(np.abs), "Sqrt": _unary(np.sqrt), "Exp": _unary(np.exp),
    "Reciprocal": _unary(np.reciprocal), "Floor": _unary(np.floor), "Ceil": _unary(np.ceil),
    "Round": _unary(np.round), "Sign": _unary(np.sign), "Log": _unary(np.log), "Sin": _unary(np.sin),
    "Cos": _unary(np.cos), "Equal": _ufunc(np.equal), "Less": _ufunc(np.less), "Greater": _ufunc(np.greater),
    "LessOrEqual": _ufunc(np.less_equal), "GreaterOrEqual": _ufunc(np.greater_equal),
    "And": _ufunc(np.logical_and), "Or": _ufunc(np.logical_or), "Not": _unary(np.logical_not),
    "Xor": _ufunc(np.logical_xor),
    "ReduceProd": _reduced(np.prod), "ReduceSum": _reduced(np.sum), "ReduceMean": _reduced(np.mean),
    "ReduceMax": _reduced(np.max), "ReduceMin": _reduced(np.min), "ReduceL2": _reduced(_norm),
    "DequantizeLinear": _dequantised, "QuantizeLinear": _quantised,
}  # fmt: skip


def compute(call: Call, shape: Ints, arrays: list[Array]) -> list[Array]:
    """Compute a node whose operands are all numbers; numpy's complaints become one about the node."""
    try:
        with np.errstate(all="ignore"):
            result = ARITHMETIC[call.operator](call, shape, *arrays)
    except (ValueError, TypeError, IndexError, OverflowError, ZeroDivisionError) as error:
        if isinstance(error, MalformedError):
            raise
        raise MalformedError(f"its constant inputs can't be computed with ({error})") from None
    found = result if isinstance(result, list) else [np.asarray(result)]
    if math.prod(found[0].shape) != math.prod(shape):
        raise MalformedError(f"its constant result is {list(found[0].shape)} and should be {list(shape)}")
    return found
