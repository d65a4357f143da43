"""ONNX operators that look at a window or carry weights: convolutions and pools."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from flatfield.core.taps import Ints
from flatfield.network import Weight
from flatfield.readers.onnx.call import Call, Result
from flatfield.readers.onnx.frame import frame, positive, spread_frame
from flatfield.readers.onnx.tensors import Array, MalformedError
from flatfield.readers.trace import Value


def _kernel(call: Call, shape: Ints, value: Value, groups: int) -> Ints:
    """Check weight against input and attributes; give the kernel."""
    kernel = shape[2:]
    given = call.numbers("kernel_shape")
    if given is not None and given != kernel:
        raise MalformedError(f"its kernel_shape {list(given)} contradicts its weight {list(shape)}")
    if len(shape) != len(value.axes) or len(shape) < 3 or groups < 1 or min(shape) < 1:
        raise MalformedError(f"its weight {list(shape)} does not suit its input {list(value.shape)}")
    return kernel


def convolution(call: Call, place: int = 1, weight: Weight | None = None, bias: int = 2) -> Value:
    """Read `Conv`: the weight is operand `place`, (out, in / groups, *kernel)."""
    value, shape, groups = call.value(0), call.value(place).shape, call.number("group", 1)
    kernel = _kernel(call, shape, value, groups)
    if shape[1] * groups != value.shape[1] or shape[0] % groups:
        raise MalformedError(f"its weight {list(shape)} in {groups} groups does not suit {value.shape[1]} channels")
    window = frame(call, value.shape[2:], kernel)
    output = (value.shape[0], shape[0], *window.gathered(value.shape[2:]))
    return call.trace.layer(
        call.name,
        "Conv",
        value,
        output=output,
        kernel=kernel,
        stride=window.stride,
        padding=window.padding,
        dilation=window.dilation,
        groups=groups,
        weight=weight or call.weight(place),
        bias=call.weight(bias) if bias else None,
        weight_shape=shape,
        multiply_adds=math.prod(output) * math.prod(shape[1:]),
    )


def transposed_convolution(call: Call) -> Value:
    """Read `ConvTranspose`: the weight is (in, out / groups, *kernel)."""
    value, shape, groups = call.value(0), call.value(1).shape, call.number("group", 1)
    kernel = _kernel(call, shape, value, groups)
    if shape[0] != value.shape[1] or shape[0] % groups:
        raise MalformedError(f"its weight {list(shape)} in {groups} groups does not suit {value.shape[1]} channels")
    window, extra, sizes = spread_frame(call, value.shape[2:], kernel)
    return call.trace.layer(
        call.name,
        "ConvTranspose",
        value,
        output=(value.shape[0], shape[1] * groups, *sizes),
        kernel=kernel,
        stride=window.stride,
        padding=window.padding,
        dilation=window.dilation,
        output_padding=extra,
        groups=groups,
        weight=call.weight(1),
        bias=call.weight(2),
        weight_shape=shape,
        multiply_adds=math.prod(value.shape) * math.prod(shape[1:]),
    )


def quantised_convolution(call: Call) -> Value:
    """Read `QLinearConv` (x, its scale and zero, w, its scale and zero, ...): weights are `(w - zero) scale`."""
    weight, scale, zero = call.weight(3), call.weight(4), call.weight(5)
    if weight is None or scale is None:
        return convolution(call, 3, bias=0)
    exact = Weight(weight.shape, lambda: _less_zero(weight.load(), zero) * _rowwise(scale.load(), len(weight.shape)))
    return convolution(call, 3, exact, bias=0)


def integer_convolution(call: Call) -> Value:
    """Read `ConvInteger` (x, w, zero of x, zero of w): weights are `w - zero`."""
    weight, zero = call.weight(1), call.weight(3)
    exact = Weight(weight.shape, lambda: _less_zero(weight.load(), zero)) if weight else None
    return convolution(call, 1, exact, bias=0)


def _less_zero(weight: Array, zero: Weight | None) -> Array:
    numbers: Array = weight.astype(np.float32)
    return numbers - _rowwise(zero.load(), weight.ndim) if zero else numbers


def _rowwise(numbers: Array, rank: int) -> Array:
    """One number, or one an output channel, along the first axis."""
    return numbers.astype(np.float32).reshape(-1, *(1,) * (rank - 1))


def pool(call: Call, mode: str) -> Result:
    """Read pools with a window; the second result of `MaxPool` says where the maximum stood."""
    value = call.value(0, rank=3)
    kernel = call.numbers("kernel_shape", least=1) or ()
    window = frame(call, value.shape[2:], kernel)
    sizes = window.gathered(value.shape[2:], ceil=bool(call.number("ceil_mode", 0)))
    result = call.trace.layer(
        call.name,
        "Pool",
        value,
        output=(*value.shape[:2], *sizes),
        kernel=kernel,
        stride=window.stride,
        padding=window.padding,
        dilation=window.dilation,
        mode=mode,
    )
    return [result] * call.outputs


def global_pool(call: Call) -> Value:
    """Read pools over all positions."""
    value = call.value(0, rank=2)
    return call.trace.reduced(call.operator, value, range(2, len(value.axes)), keep=True)


def unpool(call: Call) -> Value:
    """Read `MaxUnpool`: values return to where the maximum stood, zeros elsewhere."""
    value = call.value(0, rank=3)
    kernel = call.numbers("kernel_shape", least=1) or ()
    window = frame(call, value.shape[2:], kernel)
    rows = zip(value.shape[2:], window.stride, window.reach, window.padding, strict=True)
    sizes = tuple(s * (n - 1) + r - sum(pads) for n, s, r, pads in rows)
    if call.has(2):
        sizes = call.known_ints(2, "output sizes")[-len(kernel) :]
    if len(sizes) != len(kernel):
        raise MalformedError(f"its output size {list(sizes)} must be {len(kernel)} numbers")
    return call.trace.layer(
        call.name,
        "Unpool",
        value,
        output=(*value.shape[:2], *positive(sizes)),
        kernel=kernel,
        stride=window.stride,
        padding=window.padding,
        mode="max",
    )


def deformed_convolution(call: Call) -> Value:
    """`DeformConv`: a convolution whose taps stand where another layer says."""
    value, shape = call.value(0, rank=3), call.value(1, rank=3).shape
    window = frame(call, value.shape[2:], shape[2:])
    sizes = (value.shape[0], shape[0], *window.gathered(value.shape[2:]))
    return call.trace.opaque(call.name, call.operator, [value], sizes, "its taps stand where another layer says")


average_pool = partial(pool, mode="average")
max_pool = partial(pool, mode="max")
lp_pool = partial(pool, mode="lp")
