"""Layers of an ONNX graph rewritten for the torus: a lookup in front in place of the padding, a crop behind.

The same windows on a periodic plane as in PyTorch (`torus_layers`); sizes are known from a run of the model, so
every lookup is a constant list of positions, for any amount of padding and at any opset.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from flatfield.core.taps import Ints
from flatfield.probe.onnx.node import OnnxNode, Rewriting
from flatfield.probe.period import Periods, after_downsampling, after_upsampling
from flatfield.probe.reach import spread_sides

Rewritten = tuple[str, Periods]
Handler = Callable[[OnnxNode], Rewritten]
_REACH = {"nearest": 1, "linear": 1, "cubic": 2}


@dataclass(frozen=True)
class Geometry:
    """Stride, dilation, reach (positions from the first tap to the last) and padding in front, an axis at a time."""

    stride: Ints
    dilation: Ints
    reach: Ints
    pads: Ints


def geometry(node: OnnxNode, kernel: Ints) -> Geometry:
    """Read the geometry of a convolution, a transposed convolution or a pool."""
    dims = len(kernel)
    stride, dilation = node.listed("strides", dims, 1), node.listed("dilations", dims, 1)
    reach = tuple(d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True))
    pads = node.listed("pads", 2 * dims, 0)[:dims]
    auto = node.attributes.get("auto_pad", b"NOTSET").decode()
    size, outputs = node.shape()[2:], node.output_shape[2:]
    if auto.startswith("SAME") and node.operator != "ConvTranspose":
        totals = [max(0, (m - 1) * s + r - n) for n, m, s, r in zip(size, outputs, stride, reach, strict=True)]
        pads = tuple(t // 2 if auto == "SAME_UPPER" else t - t // 2 for t in totals)
    if node.operator == "ConvTranspose" and (auto.startswith("SAME") or node.attributes.get("output_shape")):
        extra = node.listed("output_padding", dims, 0)
        totals = [(n - 1) * s + o + r - m for n, m, s, r, o in zip(size, outputs, stride, reach, extra, strict=True)]
        pads = tuple(t // 2 if auto == "SAME_UPPER" else t - t // 2 for t in totals)
    return Geometry(stride, dilation, reach, pads)


def kernel_of(node: OnnxNode) -> Ints:
    """Taps along every axis."""
    return node.shape(1)[2:] if node.operator.startswith("Conv") else node.listed("kernel_shape", 0, 1)


def gathered(into: Rewriting, name: str, shape: Ints, outputs: Ints, at: Geometry, space: Periods) -> str:
    """Show what the last output still reads, so that a layer without padding gives the window of `outputs`."""
    sides = [
        (p, max(0, (m - 1) * s + r - n - p))
        for n, m, s, r, p in zip(shape[2:], outputs, at.stride, at.reach, at.pads, strict=True)
    ]
    return into.extended(name, shape, sides, space)


def spread_out(
    into: Rewriting, name: str, shape: Ints, outputs: Ints, at: Geometry, space: Periods, run: Callable[[str], str]
) -> str:
    """Run a transposed convolution without padding on a wider input, then cut out the window of `outputs`."""
    # one more than needed: a kernel shorter than its stride writes nothing into its last positions
    margin = [(b, a + 1) for b, a in spread_sides(shape[2:], outputs, at.reach, at.stride, at.pads)]
    full = run(into.extended(name, shape, margin, space))
    lengths = [(n + sum(e) - 1) * s + r for n, e, s, r in zip(shape[2:], margin, at.stride, at.reach, strict=True)]
    sides = [
        (-(p + e * s), p + e * s + m - length)
        for p, (e, _), s, m, length in zip(at.pads, margin, at.stride, outputs, lengths, strict=True)
    ]
    return into.extended(full, (*shape[:2], *lengths), sides, (1,) * len(lengths))


def gather(node: OnnxNode) -> Rewritten:
    """Convolution and pooling."""
    kernel = kernel_of(node)
    at, space = geometry(node, kernel), node.space()
    if len(node.proto.output) > 1:
        node.note("the places of the maxima are not followed")
    wide = gathered(node.into, node.into.name(node.input()), node.shape(), node.output_shape[2:], at, space)
    rest = [node.into.name(name) for name in node.proto.input[1:]]
    changes = {"ceil_mode": 0} if "ceil_mode" in node.attributes else {}
    result = node.copy([wide, *rest], drop=("auto_pad", "ceil_mode"), pads=[0] * 2 * len(kernel), **changes)
    periods = [after_downsampling(p, s) for p, s in zip(space, at.stride, strict=True)]
    return result, (*node.periods()[:2], *periods)


def spread(node: OnnxNode) -> Rewritten:
    """Transposed convolution."""
    kernel = kernel_of(node)
    at, space = geometry(node, kernel), node.space()
    rest = [node.into.name(name) for name in node.proto.input[1:]]
    drop = ("auto_pad", "output_shape", "output_padding")

    def run(wide: str) -> str:
        return node.copy([wide, *rest], drop=drop, pads=[0] * 2 * len(kernel))

    name = node.into.name(node.input())
    result = spread_out(node.into, name, node.shape(), node.output_shape[2:], at, space, run)
    periods = tuple(after_upsampling(p, s) for p, s in zip(space, at.stride, strict=True))
    return result, (*node.periods()[:2], *periods)


def resize(node: OnnxNode) -> Rewritten:
    """Interpolation: on a few positions more on each side."""
    size, outputs, space = node.shape(), node.output_shape, node.space()
    if set(space) <= {1} or size == outputs:
        return node.copy(), node.periods()
    mode = node.attributes.get("coordinate_transformation_mode", b"half_pixel").decode()
    if mode not in ("half_pixel", "pytorch_half_pixel", "asymmetric") or node.operator == "Upsample":
        node.note(f"coordinates by {mode} depend on the size, which no periodic plane has")
        return node.copy(), (*node.periods()[:2], *outputs[2:])
    factors = [Fraction(m, n) for n, m in zip(size[2:], outputs[2:], strict=True)]
    reach = _REACH[node.attributes.get("mode", b"nearest").decode()]
    margin = [
        0 if p == 1 else f.denominator * -(-(int(reach * max(Fraction(1), 1 / f)) + 2) // f.denominator)
        for p, f in zip(space, factors, strict=True)
    ]
    wide = node.into.extended(node.into.name(node.input()), size, [(e, e) for e in margin], space)
    beyond = [int(e * f) for e, f in zip(margin, factors, strict=True)]
    sizes = (*size[:2], *(m + 2 * b for m, b in zip(outputs[2:], beyond, strict=True)))
    result = node.copy([wide, "", "", node.into.constant(np.array(sizes, np.int64))], drop=("axes",))
    result = node.into.extended(result, sizes, [(-b, -b) for b in beyond], (1,) * len(beyond))
    periods = [(p * f).numerator if p > 1 else 1 for p, f in zip(space, factors, strict=True)]
    return result, (*node.periods()[:2], *periods)


def depth_to_space(node: OnnxNode) -> Rewritten:
    """Pixel shuffle, in either order of channels."""
    r = int(node.attributes["blocksize"])
    return node.copy(), (*node.periods()[:2], *(after_upsampling(p, r) for p in node.space()))


def space_to_depth(node: OnnxNode) -> Rewritten:
    """Every phase becomes channels."""
    r = int(node.attributes["blocksize"])
    return node.copy(), (*node.periods()[:2], *(after_downsampling(p, r) for p in node.space()))


def global_pool(node: OnnxNode) -> Rewritten:
    """The mean or the maximum over whole periods."""
    size, space = node.shape(), node.space()
    sides = [(0, -(n % p)) if p <= n else (0, 0) for n, p in zip(size[2:], space, strict=True)]
    whole = node.into.extended(node.into.name(node.input()), size, sides, space)
    return node.copy([whole]), (*node.periods()[:2], *(1,) * len(space))


LAYERS: dict[str, Handler] = {
    "Conv": gather, "MaxPool": gather, "AveragePool": gather, "LpPool": gather,
    "GlobalAveragePool": global_pool, "GlobalMaxPool": global_pool, "SpaceToDepth": space_to_depth,
    "ConvTranspose": spread, "Resize": resize, "Upsample": resize, "DepthToSpace": depth_to_space,
}  # fmt: skip


def upsamples(node: OnnxNode) -> bool:
    """True for a layer that writes more positions than it reads."""
    if node.operator == "ConvTranspose":
        return max(node.listed("strides", 1, 1)) > 1
    if node.operator in ("Resize", "Upsample"):
        size, outputs = node.shape(), node.output_shape
        return size[:2] == outputs[:2] and any(m > n for n, m in zip(size, outputs, strict=True))
    return node.operator == "DepthToSpace"


def pad(node: OnnxNode) -> Rewritten:
    """Any padding shows more of the plane; axes without positions are padded as they were."""
    size, periods = node.shape(), node.periods()
    listed = node.attributes.get("pads", node.numbers(1))
    if listed is None:
        node.note("its amounts are not written in the file")
        return node.copy(), periods
    rank = len(size)
    axes = node.numbers(3)
    places = [int(a) % rank for a in axes] if axes is not None else list(range(rank))
    sides = [(0, 0)] * rank
    for i, axis in enumerate(places):
        sides[axis] = (int(listed[i]), int(listed[i + len(places)]))
    shown = [side if p > 0 else (0, 0) for side, p in zip(sides, periods, strict=True)]
    held = [min(max(1, p), n) for p, n in zip(periods, size, strict=True)]
    name = node.into.extended(node.into.name(node.input()), size, shown, held)
    if shown != sides:
        kept = [side if p <= 0 else (0, 0) for side, p in zip(sides, periods, strict=True)]
        amounts = node.into.constant(np.array([b for b, _ in kept] + [a for _, a in kept], np.int64))
        value = [node.into.name(v) for v in node.proto.input[2:3]]
        name = node.into.add("Pad", [name, amounts, *value])
    return name, periods
