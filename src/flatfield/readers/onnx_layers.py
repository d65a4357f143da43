"""ONNX operators that look at a window or carry weights: convolutions and pools."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np

from flatfield.core.taps import Ints, Pairs
from flatfield.network import Weight
from flatfield.readers.onnx_call import Call, Result
from flatfield.readers.onnx_tensors import Array, MalformedError
from flatfield.readers.trace import Value

MOST_TAPS = 1 << 24  # a window beyond this is a damaged number


@dataclass(frozen=True)
class Frame:
    """Where a window stands: everything but the weights."""

    kernel: Ints
    stride: Ints
    dilation: Ints
    padding: Pairs

    @property
    def reach(self) -> Ints:
        """Places from the first tap to behind the last one."""
        return tuple((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilation, strict=True))

    def gathered(self, sizes: Ints, *, ceil: bool = False) -> Ints:
        """Give the output size of a convolution or pool."""
        places = []
        for n, r, s, (before, after) in zip(sizes, self.reach, self.stride, self.padding, strict=True):
            free = n + before + after - r
            if free < 0:
                raise MalformedError(
                    f"its window of {r} does not fit into {n + before + after} places; "
                    "if the input size was guessed, give one with --input"
                )
            count = -(-free // s) + 1 if ceil else free // s + 1
            # the last window must begin on the input or on the padding before it
            places.append(count - 1 if ceil and (count - 1) * s >= n + before else count)
        return tuple(places)


def frame(call: Call, sizes: Ints, kernel: Ints) -> Frame:
    """Read strides, dilations and pads of a window that gathers; `auto_pad` is worked out."""
    dims = len(kernel)
    if not 1 <= dims == len(sizes) or min(kernel) < 1 or math.prod(kernel) > MOST_TAPS:
        raise MalformedError(f"its kernel {list(kernel)} does not suit an input of {len(sizes)} spatial axes")
    stride = call.numbers("strides", dims, otherwise=1, least=1) or ()
    dilation = call.numbers("dilations", dims, otherwise=1, least=1) or ()
    bare = Frame(kernel, stride, dilation, ((0, 0),) * dims)
    same = call.word("auto_pad", "NOTSET")
    if same in ("SAME_UPPER", "SAME_LOWER"):
        pads = []
        for n, s, r in zip(sizes, stride, bare.reach, strict=True):
            total = max(0, (-(-n // s) - 1) * s + r - n)
            pads.append(_halves(total, more_after=same == "SAME_UPPER"))
        return Frame(kernel, stride, dilation, tuple(pads))
    if same not in ("NOTSET", "VALID", ""):
        raise MalformedError(f"its auto_pad {same!r} does not exist")
    numbers = call.numbers("pads", 2 * dims, otherwise=0, least=0) or () if same != "VALID" else (0,) * (2 * dims)
    return Frame(kernel, stride, dilation, tuple(zip(numbers[:dims], numbers[dims:], strict=True)))


def _halves(total: int, *, more_after: bool) -> tuple[int, int]:
    small, large = total // 2, total - total // 2
    return (small, large) if more_after else (large, small)


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


def spread_frame(call: Call, sizes: Ints, kernel: Ints) -> tuple[Frame, Ints, Ints]:
    """Read the window of a transposed convolution: frame, output padding, output size.

    Without padding `n` inputs reach `s (n - 1) + r` outputs and the output padding; an `output_shape` asks for
    a size, and what is too much is padding on both sides (SAME_UPPER: the odd one behind).
    """
    dims = len(kernel)
    same, asked = call.word("auto_pad", "NOTSET"), call.numbers("output_shape")
    window = frame(call, sizes, kernel)
    extra = call.numbers("output_padding", dims, otherwise=0, least=0) or (0,) * dims
    full = tuple(s * (n - 1) + r + e for s, n, r, e in zip(window.stride, sizes, window.reach, extra, strict=True))
    if asked is not None:
        wanted = asked[-dims:]
    elif same.startswith("SAME"):
        wanted = tuple(s * n for s, n in zip(window.stride, sizes, strict=True))
    else:
        found = tuple(f - sum(pads) for f, pads in zip(full, window.padding, strict=True))
        return window, extra, _positive(found)
    totals = [f - w for f, w in zip(full, wanted, strict=True)]
    pads = tuple(_halves(max(0, total), more_after=same == "SAME_UPPER") for total in totals)
    extra = tuple(e + max(0, -total) for e, total in zip(extra, totals, strict=True))
    return Frame(window.kernel, window.stride, window.dilation, pads), extra, _positive(wanted)


def _positive(sizes: Ints) -> Ints:
    if min(sizes) < 1:
        raise MalformedError(
            f"its output would be {'x'.join(map(str, sizes))}; if the input size was guessed, give one"
        )
    return sizes


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
        output=(*value.shape[:2], *_positive(sizes)),
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
