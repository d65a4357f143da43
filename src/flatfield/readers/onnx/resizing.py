"""ONNX operators that change how many positions there are without weights: interpolation, shuffles, padding."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TypeVar

import numpy as np

from flatfield.core.taps import Ints
from flatfield.readers import axes as ax
from flatfield.readers.onnx.call import Call, NotUnderstoodError, counted
from flatfield.readers.onnx.frame import frame
from flatfield.readers.onnx.tensors import MOST_PLACES, MalformedError, checked_shape
from flatfield.readers.trace import Value

Number = TypeVar("Number", int, float)
_REACH = {"nearest": 1, "nearest-exact": 1, "linear": 2, "cubic": 4}  # input pixels under the kernel
_PAD_MODES = {"constant": "zeros", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}


def resize(call: Call) -> Value:
    """Read `Resize` of any opset: by scales or to sizes, on some axes or on all."""
    value = call.value(0)
    if call.word("coordinate_transformation_mode") == "tf_crop_and_resize":
        raise NotUnderstoodError("it crops a region of interest")
    places = [counted(axis, len(value.axes)) for axis in call.numbers("axes") or range(len(value.axes))]
    old = tuple(value.shape[i] for i in places)
    if call.has(3):
        new = _policy(call, call.known_ints(3, "sizes"), old)
    else:
        scales = _scales(call, 2 if len(call.operands) > 2 else 1)
        new = tuple(math.floor(n * s) for n, s in zip(old, _matching(scales, old), strict=True))
    sizes = dict(zip(places, _matching(new, old), strict=True))
    return interpolated(call, value, tuple(sizes.get(i, n) for i, n in enumerate(value.shape)))


def upsample(call: Call) -> Value:
    """Read `Upsample`: the scales are an attribute up to opset 8, an operand in opset 9."""
    value = call.value(0)
    scales = call.reals("scales") or _scales(call, 1)
    return interpolated(
        call, value, tuple(math.floor(n * s) for n, s in zip(value.shape, _matching(scales, value.shape), strict=True))
    )


def _scales(call: Call, place: int) -> tuple[float, ...]:
    scales = tuple(float(s) for s in call.known(place, "scales").ravel())
    if any(not 0 < s <= MOST_PLACES for s in scales):
        raise MalformedError(f"its scales {list(scales)} must be positive")
    return scales


def _matching(numbers: tuple[Number, ...], old: Ints) -> tuple[Number, ...]:
    if len(numbers) != len(old):
        raise MalformedError(f"its sizes or scales {list(numbers)} must be {len(old)} numbers")
    return numbers


def _policy(call: Call, sizes: Ints, old: Ints) -> Ints:
    """Work out `keep_aspect_ratio_policy`: one scale for all axes, the smallest or the largest of them."""
    policy = call.word("keep_aspect_ratio_policy", "stretch")
    if policy == "stretch" or not old:
        return sizes
    ratios = [new / max(1, n) for new, n in zip(_matching(sizes, old), old, strict=True)]
    scale = min(ratios) if policy == "not_larger" else max(ratios)
    return tuple(math.floor(n * scale + 0.5) for n in old)


def _mode(call: Call) -> str:
    """PyTorch's word for the interpolation: nearest takes the corner, nearest-exact the centre."""
    mode = call.word("mode", "nearest")
    if mode == "nearest":
        centred = call.word("coordinate_transformation_mode", "half_pixel") in ("half_pixel", "half_pixel_symmetric")
        return "nearest-exact" if centred and call.operator == "Resize" else "nearest"
    return {"bilinear": "linear", "trilinear": "linear"}.get(mode, mode)


def interpolated(call: Call, value: Value, sizes: Ints) -> Value:
    """Note an interpolation to `sizes`; channels may come last."""
    checked_shape(sizes, "its output")
    changed = [i for i, (n, m) in enumerate(zip(value.shape, sizes, strict=True)) if n != m]
    rank = len(sizes)
    if not changed:
        return value
    if rank < 3 or changed[0] == 0 or (changed[0] == 1 and rank - 1 in changed):
        return call.trace.opaque(call.name, call.operator, [value], sizes, "it interpolates across the channels")
    if changed[0] > 1:
        return _interpolate(call, value, sizes)
    forth = (0, rank - 1, *range(1, rank - 1))
    turned = replace(value, axes=tuple(value.axes[i] for i in forth), pad=(), pad_mode="")
    result = _interpolate(call, turned, tuple(sizes[i] for i in forth))
    return replace(result, axes=(result.axes[0], *result.axes[2:], result.axes[1]))


def _interpolate(call: Call, value: Value, sizes: Ints) -> Value:
    mode = _mode(call)
    reach = _REACH.get(mode, 1)
    stride = tuple(m // n if n and m % n == 0 else 1 for n, m in zip(value.shape[2:], sizes[2:], strict=True))
    return call.trace.layer(
        call.name,
        "Resize",
        value,
        output=sizes,
        kernel=tuple(max(1, s) * reach for s in stride),
        stride=tuple(max(1, s) for s in stride),
        mode=mode,
    )


def _image(call: Call) -> tuple[Value, int]:
    value, block = call.value(0), call.number("blocksize", 0)
    if len(value.axes) != 4 or not 1 <= block <= 1 << 15:
        raise MalformedError(f"a block of {block} does not suit an input of {len(value.axes)} axes")
    return value, block


def depth_to_space(call: Call) -> Value:
    """Read `DepthToSpace`: CRD is PyTorch's order (channel, then phases), DCR has the phases first."""
    value, r = _image(call)
    b, c, h, w = value.shape
    if c % r**2:
        raise MalformedError(f"{c} channels can't be shuffled in blocks of {r}")
    sizes = (b, c // r**2, h * r, w * r)
    if call.word("mode", "DCR") == "CRD":
        value = call.trace.regrouped(value, (b, c // r**2, r, r, h, w), (-5, -2, -4, -1, -3), sizes)
    else:
        value = call.trace.regrouped(value, (b, r, r, c // r**2, h, w), (-3, -2, -5, -1, -4), sizes)
    return call.trace.settle(value, call.name)


def space_to_depth(call: Call) -> Value:
    """Read `SpaceToDepth`: the phases come first among the channels."""
    value, r = _image(call)
    b, c, h, w = value.shape
    if h % r or w % r:
        raise MalformedError(f"{h}x{w} pixels can't be cut into blocks of {r}")
    return call.trace.layer(
        call.name, "PixelUnshuffle", value, output=(b, c * r * r, h // r, w // r), kernel=(r, r), stride=(r, r)
    )


def pad(call: Call) -> Value:
    """Read `Pad`: the sides are an attribute up to opset 10, an operand from 11, of some axes from 18."""
    value = call.value(0)
    rank = len(value.axes)
    sides = call.setting("pads", 1) or call.numbers("paddings") or ()
    axes = call.known_ints(3, "axes") if call.has(3) else tuple(range(rank))
    places = [counted(axis, rank) for axis in axes]
    if len(sides) != 2 * len(places):
        raise MalformedError(f"its pads {list(sides)} must be {2 * len(places)} numbers")
    pairs = dict(zip(places, zip(sides[: len(places)], sides[len(places) :], strict=True), strict=True))
    every = tuple(pairs.get(i, (0, 0)) for i in range(rank))
    sizes = tuple(n + before + after for n, (before, after) in zip(value.shape, every, strict=True))
    checked_shape(sizes, "its output")
    if not any(map(any, every)):
        return value
    mode = _PAD_MODES.get(call.word("mode", "constant"))
    if mode is None:
        raise MalformedError(f"its mode {call.word('mode')!r} does not exist")
    return call.trace.padded(value, every, "constant" if mode == "zeros" and _filled(call) else mode, sizes)


def _filled(call: Call) -> bool:
    """True when a constant padding has another value than 0."""
    if call.has(2):
        weight = call.weight(2)
        return weight is not None and math.prod(weight.shape) == 1 and bool(np.any(weight.load()))
    return "value" in call.attributes and call.attributes["value"].f != 0


def fold(call: Call) -> Value:
    """Read `Col2Im`: windows laid out as channels are added up."""
    value = call.value(0)
    image, kernel = call.known_ints(1, "image size"), call.known_ints(2, "block size")
    window = frame(call, image, kernel)
    places, taps = window.gathered(image), math.prod(kernel)
    if len(value.axes) != 3 or value.shape[1] % taps or value.shape[2] != math.prod(places):
        raise MalformedError(f"its input {list(value.shape)} does not suit blocks {list(kernel)} of {list(image)}")
    laid_out = call.trace.relabelled(value, (*value.shape[:2], *places))
    return call.trace.layer(
        call.name,
        "Fold",
        laid_out,
        output=(value.shape[0], value.shape[1] // taps, *image),
        kernel=kernel,
        stride=window.stride,
        padding=window.padding,
        dilation=window.dilation,
    )


def center_crop_pad(call: Call) -> Value:
    """Read `CenterCropPad`: every axis gets a size of its own, around the middle."""
    value = call.value(0)
    rank = len(value.axes)
    places = [counted(axis, rank) for axis in call.numbers("axes") or range(rank)]
    wanted = dict(zip(places, _matching(call.known_ints(1, "sizes"), tuple(places)), strict=True))
    sizes = checked_shape(tuple(wanted.get(i, n) for i, n in enumerate(value.shape)), "its output")
    pairs = tuple(((m - n) // 2, (m - n) - (m - n) // 2) for n, m in zip(value.shape, sizes, strict=True))
    return call.trace.padded(value, pairs, "zeros", sizes) if ax.shape(value.axes) != sizes else value
