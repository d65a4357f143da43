"""Adjoints of ONNX layers on the torus: a gradient is a window on a periodic plane, as everything else there is.

The adjoint of a strided gather spreads and that of a spread gathers, with the same weights, stride and padding; so
both are the layers of `torus` with their roles exchanged (design, section 3).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from flatfield.core import Interpolation
from flatfield.core.taps import Ints
from flatfield.probe.onnx.back import Arriving, Back, NoAdjointError, Rule
from flatfield.probe.onnx.torus import Geometry, gathered, geometry, kernel_of, spread_out
from flatfield.probe.period import Periods, after_downsampling, after_upsampling, together


def _space(back: Back, periods: Periods = ()) -> Periods:
    """Periods of the gradient, or of what became of it, along positions; of unknown ones the whole window."""
    shape = back.node.output_shape
    return tuple(p if p > 0 else n for p, n in zip((periods or back.periods)[2:], shape[2:], strict=True))


def _spread(
    back: Back, name: str, weight: str, at: Geometry, group: int, kernel: Ints, periods: Periods = ()
) -> dict[int, Arriving]:
    shape, outputs, space = back.node.output_shape, back.node.shape()[2:], _space(back, periods)

    def run(wide: str) -> str:
        return back.add(
            "ConvTranspose", wide, weight, strides=list(at.stride), dilations=list(at.dilation), group=group,
            kernel_shape=list(kernel), pads=[0] * 2 * len(kernel),
        )  # fmt: skip

    found = spread_out(back.into, name, shape, outputs, at, space, run)
    return back.to(0, found, (0, 0, *(after_upsampling(p, s) for p, s in zip(space, at.stride, strict=True))))


def _gather(back: Back, weight: str, at: Geometry, group: int, kernel: Ints) -> dict[int, Arriving]:
    shape, outputs, space = back.node.output_shape, back.node.shape()[2:], _space(back)
    wide = gathered(back.into, back.gradient, shape, outputs, at, space)
    found = back.add(
        "Conv", wide, weight, strides=list(at.stride), dilations=list(at.dilation), group=group,
        kernel_shape=list(kernel), pads=[0] * 2 * len(kernel),
    )  # fmt: skip
    # one position more may have been shown than the window has
    sizes = [
        (n + p + max(0, (m - 1) * s + r - n - p) - r) // s + 1
        for n, m, s, r, p in zip(shape[2:], outputs, at.stride, at.reach, at.pads, strict=True)
    ]
    sides = [(0, m - n) for n, m in zip(sizes, outputs, strict=True)]
    found = back.into.extended(found, (*back.node.shape()[:2], *sizes), sides, (1,) * len(sizes))
    periods = [after_downsampling(p, s) for p, s in zip(space, at.stride, strict=True)]
    return back.to(0, found, (0, 0, *periods))


def convolution(back: Back) -> Mapping[int, Arriving]:
    """`Conv`: a transposed convolution with the same weights, whose first axis is what it reads."""
    if back.wants(1):
        raise NoAdjointError("Conv with weights that come from the input")
    kernel = kernel_of(back.node)
    group = int(back.node.attributes.get("group", 1))
    return _spread(back, back.gradient, back.x(1), geometry(back.node, kernel), group, kernel)


def transposed(back: Back) -> Mapping[int, Arriving]:
    """`ConvTranspose`: a convolution."""
    if back.wants(1):
        raise NoAdjointError("ConvTranspose with weights that come from the input")
    kernel = kernel_of(back.node)
    return _gather(back, back.x(1), geometry(back.node, kernel), int(back.node.attributes.get("group", 1)), kernel)


def _each_channel(back: Back, kernel: np.ndarray) -> str:
    channels = back.node.shape()[1]
    return back.number(np.broadcast_to(kernel, (channels, 1, *kernel.shape)))


def average_pool(back: Back) -> Mapping[int, Arriving]:
    """`AveragePool`: to every entry of a window the same."""
    kernel = kernel_of(back.node)
    weight = _each_channel(back, np.full(kernel, 1.0 / np.prod(kernel)))
    return _spread(back, back.gradient, weight, geometry(back.node, kernel), back.node.shape()[1], kernel)


def max_pool(back: Back) -> Mapping[int, Arriving]:
    """`MaxPool`: to the first of a window that is as large as its maximum."""
    if back.opset < 11:
        raise NoAdjointError(f"MaxPool at opset {back.opset}, where numbers can't be compared")
    node, kernel = back.node, kernel_of(back.node)
    at, outputs = geometry(node, kernel), back.node.output_shape[2:]
    wide = gathered(back.into, back.x(), node.shape(), outputs, at, node.space())
    shape = node.output_shape
    chosen = together(shape, [(shape, back.periods), (shape, back.into.known[node.proto.output[0]])])
    free, name = "", ""
    for tap in np.ndindex(*kernel):
        seen = wide
        for axis, (t, d, s, m) in enumerate(zip(tap, at.dilation, at.stride, outputs, strict=True), start=2):
            places = back.into.constant(t * d + s * np.arange(m))
            seen = back.add("Gather", seen, places, axis=axis)
        here = back.add("Equal", seen, back.y)
        here = back.add("And", here, free) if free else here
        others = back.add("Not", here)
        free = back.add("And", free, others) if free else others
        given = back.add("Where", here, back.gradient, back.number(0.0))
        weight = np.zeros(kernel)
        weight[tap] = 1.0
        part = _spread(back, given, _each_channel(back, weight), at, node.shape()[1], kernel, chosen)[0]
        name = back.add("Add", name, part.name) if name else part.name
    return back.to(0, name, part.periods)


def global_pool(back: Back) -> Mapping[int, Arriving]:
    """`GlobalAveragePool`: to every position the same."""
    shape = back.node.shape()
    name = back.add("Mul", back.widened(back.gradient, shape), back.number(1.0 / np.prod(shape[2:])))
    return back.to(0, name, (0, 0, *(1,) * (len(shape) - 2)))


def resize(back: Back) -> Mapping[int, Arriving]:
    """`Resize` by whole factors: an interpolation is a transposed convolution with a fixed kernel."""
    size, outputs = back.node.shape()[2:], back.node.output_shape[2:]
    mode = back.node.attributes.get("mode", b"nearest").decode()
    where = back.node.attributes.get("coordinate_transformation_mode", b"half_pixel").decode()
    rounding = back.node.attributes.get("nearest_mode", b"round_prefer_floor").decode()
    whole = all(m % n == 0 for n, m in zip(size, outputs, strict=True))
    plain = (mode == "nearest" and where == "asymmetric" and rounding == "floor") or (
        mode in ("nearest", "linear") and where in ("half_pixel", "pytorch_half_pixel")
    )
    if not whole or not plain:
        raise NoAdjointError(f"Resize by {mode}, {where}, to {outputs} from {size}")
    factors = tuple(m // n for n, m in zip(size, outputs, strict=True))
    layer = Interpolation(factors, mode).as_transposed()
    kernel = layer.weight.shape[2:]
    pads = tuple(int(before) for before, _ in layer.window.padding)
    at = Geometry(factors, (1,) * len(kernel), kernel, pads)
    return _gather(back, _each_channel(back, layer.weight[0, 0]), at, back.node.shape()[1], kernel)


def depth_to_space(back: Back) -> Mapping[int, Arriving]:
    """`DepthToSpace`, in either order: every pixel back to its channel."""
    r = int(back.node.attributes["blocksize"])
    n, channels, height, width = back.node.shape()
    parts = back.shaped(back.gradient, (n, channels // r**2, height, r, width, r))
    crd = back.node.attributes.get("mode", b"DCR") == b"CRD"
    moved = back.add("Transpose", parts, perm=[0, 1, 3, 5, 2, 4] if crd else [0, 3, 5, 1, 2, 4])
    periods = [after_downsampling(p, r) for p in _space(back)]
    return back.to(0, back.shaped(moved, (n, channels, height, width)), (0, 0, *periods))


def space_to_depth(back: Back) -> Mapping[int, Arriving]:
    """`SpaceToDepth`: every channel back to its pixel."""
    r = int(back.node.attributes["blocksize"])
    name = back.add("DepthToSpace", back.gradient, blocksize=r, mode="DCR")
    return back.to(0, name, (0, 0, *(after_upsampling(p, r) for p in _space(back))))


ADJOINTS: dict[str, Rule] = {
    "Conv": convolution, "ConvTranspose": transposed, "AveragePool": average_pool, "MaxPool": max_pool,
    "GlobalAveragePool": global_pool, "Resize": resize, "DepthToSpace": depth_to_space,
    "SpaceToDepth": space_to_depth,
}  # fmt: skip
FLATTENED = frozenset(("Conv", "ConvTranspose", "AveragePool", "MaxPool"))
"""Layers behind the last of which a gradient is made flat: a fully connected head weighs every position."""
