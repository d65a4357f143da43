"""PyTorch's operators that change positions or look at several: a literal table, operator -> handler."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

from flatfield.core.taps import Ints, Pairs
from flatfield.network import Operator
from flatfield.readers import axes as ax
from flatfield.readers.aten_call import Call
from flatfield.readers.trace import Value

Handler = Callable[[Call], Value]


def _numbers(value: Sequence[int] | int, dims: int) -> Ints:
    """PyTorch's short spellings: one number, or one an axis."""
    numbers = (value,) if isinstance(value, int) else tuple(int(n) for n in value)
    return numbers if len(numbers) == dims else (numbers[0],) * dims


def _both_sides(value: Sequence[int] | int, dims: int) -> Pairs:
    return tuple((p, p) for p in _numbers(value, dims))


def convolution(call: Call) -> Value:
    """`aten.convolution`: convolution and transposed convolution in any number of dimensions."""
    tensor = call["weight"]
    dims, shape = tensor.dim() - 2, tuple(tensor.shape)
    value, transposed = call.value("input"), bool(call["transposed"])
    places = math.prod(value.shape) if transposed else math.prod(call.sizes[0])
    return call.trace.layer(
        call.name,
        "ConvTranspose" if transposed else "Conv",
        value,
        output=call.sizes[0],
        kernel=shape[2:],
        stride=_numbers(call["stride"], dims),
        padding=_both_sides(call["padding"], dims),
        dilation=_numbers(call["dilation"], dims),
        output_padding=_numbers(call["output_padding"], dims),
        groups=call["groups"],
        weight=call.weight("weight"),
        bias=call.weight("bias"),
        weight_shape=shape,
        multiply_adds=places * math.prod(shape[1:]),
    )


def resize(call: Call, mode: str, reach: int) -> Value:
    """`upsample_*`: interpolation; `reach` is the kernel's width in input pixels."""
    return interpolated(call, call.value("self" if "self" in call.arguments else "input"), mode, reach)


def interpolated(call: Call, value: Value, mode: str, reach: int) -> Value:
    """Note an interpolation from the sizes of its two ends; by a whole factor it has a stride."""
    dims = len(call.sizes[0]) - 2
    pairs = list(zip(call.sizes[0][2:], value.shape[-dims:], strict=True))
    stride = tuple(m // n if n and m % n == 0 else 1 for m, n in pairs)
    kernel = tuple(s * reach if s > 1 else reach for s in stride)
    return call.trace.layer(call.name, "Resize", value, output=call.sizes[0], kernel=kernel, stride=stride, mode=mode)


def pool(call: Call, mode: str) -> Value:
    """Average and max pooling with a window."""
    dims = len(call["kernel_size"]) if not isinstance(call["kernel_size"], int) else 1
    kernel = _numbers(call["kernel_size"], dims)
    return call.trace.layer(
        call.name,
        "Pool",
        call.value("self"),
        output=call.sizes[0],
        kernel=kernel,
        stride=_numbers(call["stride"] or kernel, dims),
        padding=_both_sides(call["padding"], dims),
        dilation=_numbers(call.arguments.get("dilation") or 1, dims),
        mode=mode,
    )


def adaptive_pool(call: Call, mode: str) -> Value:
    """Adaptive pooling: plain pooling where the sizes divide, interpolation by area where it enlarges."""
    value = call.value("self")
    dims = len(call["output_size"])
    pairs = list(zip(value.shape[-dims:], call.sizes[0][-dims:], strict=True))
    if any(out > n for n, out in pairs):
        return interpolated(call, value, "area", 1)
    whole = all(n % out == 0 for n, out in pairs)
    return call.trace.layer(
        call.name,
        "Pool",
        value,
        output=call.sizes[0],
        kernel=tuple(-(-n // out) for n, out in pairs),
        stride=tuple(n // out for n, out in pairs),
        mode=mode if whole else f"adaptive {mode}",
    )


def unpool(call: Call) -> Value:
    """`max_unpool`: values return to where the maximum stood, zeros elsewhere."""
    value, dims = call.value("self"), len(call["output_size"])
    stride = tuple(max(1, m // n) for m, n in zip(call.sizes[0][-dims:], value.shape[-dims:], strict=True))
    return call.trace.layer(call.name, "Unpool", value, output=call.sizes[0], kernel=stride, stride=stride, mode="max")


def windows(call: Call, operator: Operator) -> Value:
    """`im2col` and `col2im`: windows laid out as channels, and added up again."""
    value = call.value("self")
    kernel, stride = _numbers(call["kernel_size"], 2), _numbers(call["stride"], 2)
    dilation, padding = _numbers(call["dilation"], 2), _both_sides(call["padding"], 2)
    image = call.sizes[0][-2:] if operator == "Fold" else value.shape[-2:]
    places = tuple(
        (n + sum(p) - d * (k - 1) - 1) // s + 1
        for n, p, d, k, s in zip(image, padding, dilation, kernel, stride, strict=True)
    )
    if operator == "Fold":
        value = call.trace.relabelled(value, (*call.sizes[0][:-3], value.shape[-2], *places))
        return call.trace.layer(
            call.name, operator, value, output=call.sizes[0], kernel=kernel, stride=stride, padding=padding,
            dilation=dilation,
        )  # fmt: skip
    output = (*call.sizes[0][:-1], *places)
    result = call.trace.layer(
        call.name, operator, value, output=output, kernel=kernel, stride=stride, padding=padding, dilation=dilation
    )
    return call.trace.rearranged(call.operator, result, ax.reshape(result.axes, call.sizes[0]), call.sizes[0])


def sliding(call: Call) -> Value:
    """`Tensor.unfold`: windows along one axis, their places laid out on a new last axis."""
    value, size, step = call.value("self"), int(call["size"]), int(call["step"])
    axis = call["dimension"] % max(1, len(value.axes))
    if size == step and value.shape[axis] % size == 0:
        cut = (*value.shape[:axis], value.shape[axis] // size, size, *value.shape[axis + 1 :])
        axes = ax.reshape(value.axes, cut)
        moved = None if axes is None else (*axes[: axis + 1], *axes[axis + 2 :], axes[axis + 1])
        return call.trace.rearranged(call.operator, value, moved, call.sizes[0])
    sizes = call.sizes[0][:-1]
    places = call.trace.windows(call.operator, value, axis, size, step, sizes, name=call.name)
    return call.trace.added_axis(call.operator, [places], len(sizes), size)


def pixel_shuffle(call: Call) -> Value:
    """`pixel_shuffle`: channels (c, r, r) become pixels; the trace finds it in the digits."""
    r, value = call["upscale_factor"], call.value("self")
    *batch, c, h, w = value.shape
    cut, order = (*batch, c // r**2, r, r, h, w), (-5, -2, -4, -1, -3)
    return call.trace.settle(call.trace.regrouped(value, cut, order, call.sizes[0]), call.name)


def pixel_unshuffle(call: Call) -> Value:
    """`pixel_unshuffle`: pixels become channels (c, r, r)."""
    r, value = call["downscale_factor"], call.value("self")
    *batch, c, h, w = value.shape
    cut, order = (*batch, c, h // r, r, w // r, r), (-5, -3, -1, -4, -2)
    return call.trace.settle(call.trace.regrouped(value, cut, order, call.sizes[0]), call.name)


def pad(call: Call, mode: str) -> Value:
    """Padding in front of a layer: sizes are listed last axis first, as PyTorch does."""
    sides = call["pad" if "pad" in call.arguments else "padding"]
    pairs = [(sides[i], sides[i + 1]) for i in range(0, len(sides), 2)]
    return call.trace.padded(call.value("self"), tuple(reversed(pairs)), mode, call.sizes[0])


_RESIZE: dict[str, Handler] = {
    f"{prefix}{name}{suffix}": partial(resize, mode=mode, reach=reach)
    for prefix, name, suffix, mode, reach in [
        *(("upsample_", f"nearest{d}d", "", "nearest", 1) for d in (1, 2, 3)),
        *(("_upsample_", f"nearest_exact{d}d", "", "nearest-exact", 1) for d in (1, 2, 3)),
        ("upsample_", "linear1d", "", "linear", 2),
        ("upsample_", "bilinear2d", "", "linear", 2),
        ("upsample_", "trilinear3d", "", "linear", 2),
        ("upsample_", "bicubic2d", "", "cubic", 4),
        ("_upsample_", "bilinear2d", "_aa", "linear", 2),
        ("_upsample_", "bicubic2d", "_aa", "cubic", 4),
        ("_upsample_", "lanczos2d", "_aa", "lanczos", 6),
    ]
}

LAYERS: dict[str, Handler] = {
    "convolution": convolution,
    "convolution_overrideable": convolution,
    "avg_pool1d": partial(pool, mode="average"),
    "avg_pool2d": partial(pool, mode="average"),
    "avg_pool3d": partial(pool, mode="average"),
    "max_pool1d": partial(pool, mode="max"),
    "max_pool2d": partial(pool, mode="max"),
    "max_pool3d": partial(pool, mode="max"),
    "max_pool2d_with_indices": partial(pool, mode="max"),
    "max_pool3d_with_indices": partial(pool, mode="max"),
    "_adaptive_avg_pool2d": partial(adaptive_pool, mode="average"),
    "_adaptive_avg_pool3d": partial(adaptive_pool, mode="average"),
    "adaptive_avg_pool1d": partial(adaptive_pool, mode="average"),
    "adaptive_max_pool2d": partial(adaptive_pool, mode="max"),
    "adaptive_max_pool3d": partial(adaptive_pool, mode="max"),
    "max_unpool2d": unpool,
    "max_unpool3d": unpool,
    "im2col": partial(windows, operator="Unfold"),
    "unfold": sliding,
    "col2im": partial(windows, operator="Fold"),
    "pixel_shuffle": pixel_shuffle,
    "pixel_unshuffle": pixel_unshuffle,
    "constant_pad_nd": partial(pad, mode="zeros"),
    **{f"reflection_pad{d}d": partial(pad, mode="reflect") for d in (1, 2, 3)},
    **{f"replication_pad{d}d": partial(pad, mode="replicate") for d in (1, 2, 3)},
    **_RESIZE,
}
