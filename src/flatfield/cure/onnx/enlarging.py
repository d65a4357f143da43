"""Enlarging: a Resize or Upsample by whole factors, as the kernel it interpolates with; or why it is none."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from onnx import NodeProto

from flatfield.core import interpolation_kernel
from flatfield.core.taps import Ints, Pairs
from flatfield.cure.onnx.graph import Graph, attribute, whole_numbers

_FARTHEST = 4  # cells from the border: nothing is special there


class NotFoldableError(ValueError):
    """A layer that can't be rewritten; the message says why."""


@dataclass(frozen=True)
class Enlarging:
    """Interpolation by `scale` on the spatial axes: kernels of a transposed convolution with `front` of padding.

    `extended` is how many inputs repeat the edge, so that the kernel sees at the border what interpolation sees.
    """

    scale: Ints
    mode: str
    kernels: tuple[npt.NDArray[np.float64], ...]
    front: Ints
    extended: Ints

    @property
    def nearest(self) -> bool:
        """Whether it repeats pixels."""
        return self.mode == "nearest"


def enlarging(graph: Graph, node: NodeProto) -> Enlarging:
    """Read a Resize or Upsample; raises `NotFoldableError` for one that is not a whole factor or knows its place."""
    scale = _scale(graph, node)
    if int(attribute(node, "antialias", 0)):  # type: ignore[call-overload]
        raise NotFoldableError("it filters against aliasing")
    mode = str(attribute(node, "mode", "nearest"))
    where = _coordinates(node)
    if mode == "nearest":
        kernels = [_nearest(s, where, _rounding(node)) for s in scale]
        return Enlarging(scale, mode, tuple(kernels), (0,) * len(scale), (0,) * len(scale))
    if mode in ("linear", "bilinear", "trilinear"):
        found = [_linear(s, where) for s in scale]
        return Enlarging(
            scale, "linear", tuple(k for k, _ in found), tuple(p for _, p in found), tuple(int(s > 1) for s in scale)
        )
    if mode == "cubic":
        return _cubic(node, scale, where)
    raise NotFoldableError(f"its mode {mode!r} is not known")


def _scale(graph: Graph, node: NodeProto) -> Ints:
    """Whole factors of the spatial axes."""
    rank, factors = _factors(graph, node)
    if rank < 3 or any(f != 1 for f in factors[:2]):
        raise NotFoldableError("it enlarges the batch or the channels")
    if any(f.denominator != 1 or f < 1 for f in factors[2:]):
        told = " x ".join(str(round(float(f), 4)) for f in factors[2:])
        raise NotFoldableError(f"it enlarges by {told}, not by whole numbers")
    return tuple(int(f) for f in factors[2:])


def _factors(graph: Graph, node: NodeProto) -> tuple[int, tuple[Fraction, ...]]:
    known = graph.sizes.get(node.input[0])
    place = 2 if node.op_type == "Resize" and graph.opset > 10 else 1
    scales: npt.NDArray[np.floating] | None = None
    if len(node.input) > place and node.input[place]:
        scales = graph.array(node.input[place])
    elif node.op_type == "Upsample":
        listed = next((list(entry.floats) for entry in node.attribute if entry.name == "scales"), None)
        scales = None if listed is None else np.array(listed)
    if scales is not None and scales.size:
        rank = len(known) if known else scales.size
        axes = whole_numbers(node, "axes", range(rank))
        if known is None and len(axes) != rank:
            raise NotFoldableError("how many axes its input has is not known")
        every = dict(zip((axis % rank for axis in axes), scales.ravel(), strict=True))
        return rank, tuple(Fraction(float(every.get(axis, 1.0))) for axis in range(rank))
    return _from_sizes(graph, node, known)


def _from_sizes(
    graph: Graph, node: NodeProto, known: tuple[int | None, ...] | None
) -> tuple[int, tuple[Fraction, ...]]:
    """Where sizes are given, the factor is whole for every input only if both sizes are fixed."""
    wide = graph.sizes.get(node.output[0])
    if known is None or wide is None or any(n is None for n in (*known[2:], *wide[2:])):
        raise NotFoldableError("its sizes are worked out by the graph: the factor is not a constant of the file")
    if str(attribute(node, "keep_aspect_ratio_policy", "stretch")) != "stretch":
        raise NotFoldableError("its sizes keep an aspect ratio")
    pairs = zip(wide[2:], known[2:], strict=True)
    return len(known), (Fraction(1), Fraction(1), *(Fraction(int(m or 0), max(1, int(n or 0))) for m, n in pairs))


def _coordinates(node: NodeProto) -> Callable[[int, int], Fraction]:
    """Where output m lies among the inputs, for a scale; in exact numbers."""
    mode = str(attribute(node, "coordinate_transformation_mode", "half_pixel"))
    if not any(entry.name == "coordinate_transformation_mode" for entry in node.attribute) and _old(node):
        mode = "asymmetric"  # Upsample, and Resize of opset 10, know no other
    table: Mapping[str, Callable[[int, int], Fraction]] = {
        "asymmetric": Fraction,
        "tf_half_pixel_for_nn": lambda m, s: Fraction(2 * m + 1, 2 * s),
        **dict.fromkeys(
            ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric"),
            lambda m, s: Fraction(2 * m + 1, 2 * s) - Fraction(1, 2),
        ),
    }
    if mode not in table:
        raise NotFoldableError(f"its coordinates by {mode} depend on the size")
    return table[mode]


def _old(node: NodeProto) -> bool:
    return node.op_type == "Upsample" or len(node.input) == 2


def _rounding(node: NodeProto) -> Callable[[Fraction], int]:
    otherwise = "floor" if _old(node) else "round_prefer_floor"
    mode = str(attribute(node, "nearest_mode", otherwise))
    half = Fraction(1, 2)
    table: Mapping[str, Callable[[Fraction], int]] = {
        "floor": math.floor,
        "ceil": math.ceil,
        "round_prefer_floor": lambda x: math.ceil(x - half),
        "round_prefer_ceil": lambda x: math.floor(x + half),
    }
    if mode not in table:
        raise NotFoldableError(f"its nearest_mode {mode!r} is not known")
    return table[mode]


def _nearest(s: int, where: Callable[[int, int], Fraction], rounded: Callable[[Fraction], int]) -> Array1:
    """A box, if every output takes the input whose copies it is among."""
    if any(rounded(where(s * _FARTHEST + f, s)) != _FARTHEST for f in range(s)):
        raise NotFoldableError("it takes nearest neighbours in a way of its own: not one copy after the other")
    return np.ones(s)


def _linear(s: int, where: Callable[[int, int], Fraction]) -> tuple[Array1, int]:
    """The taps by which an input reaches outputs `m = s n + j`, and -j of the first of them."""
    if s == 1 and where(_FARTHEST, 1) == _FARTHEST:
        return np.ones(1), 0
    reached = [(j, 1 - abs(where(s * _FARTHEST + j, s) - _FARTHEST)) for j in range(-2 * s, 2 * s + 1)]
    taps = [(j, float(share)) for j, share in reached if share > 0]
    return np.array([share for _, share in taps]), -taps[0][0]


def _cubic(node: NodeProto, scale: Ints, where: Callable[[int, int], Fraction]) -> Enlarging:
    plain = float(attribute(node, "cubic_coeff_a", -0.75)) == -0.75  # type: ignore[arg-type]
    centred = where(0, 2) == Fraction(-1, 4)
    if not plain or not centred or int(attribute(node, "exclude_outside", 0)):  # type: ignore[call-overload]
        raise NotFoldableError("its cubic interpolation has a kernel of its own")
    found = [interpolation_kernel(s, "cubic") for s in scale]
    return Enlarging(
        scale, "cubic", tuple(k for k, _ in found), tuple(p for _, p in found), tuple(2 * int(s > 1) for s in scale)
    )


Array1 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Extension:
    """How the small picture is padded in front of a fold, and what padding is left to the fold itself."""

    mode: str
    small: Pairs


def extension(enlarged: Enlarging, padding: Pairs, mode: str) -> Extension:
    """Find how to pad the small picture so that enlarging it gives the padded large one.

    Nearest: zeros, copies of the edge and a wrapped picture are the enlarged zeros, copies and wrapped picture; a
    reflection inside the first pixel is a copy of it. Linear: a repeated edge is the enlarged repeated edge; without
    padding any interpolation repeats the edge. Raises `NotFoldableError` for all others.
    """
    scale = enlarged.scale
    unpadded = not any(map(any, padding))
    if enlarged.nearest and (mode == "constant" or unpadded):
        return Extension("constant", ((0, 0),) * len(scale))
    inside = all(max(pair) < s or not any(pair) for pair, s in zip(padding, scale, strict=True))
    if enlarged.nearest and (mode in ("edge", "wrap") or (mode == "reflect" and inside)):
        small = tuple((-(-a // s), -(-b // s)) for (a, b), s in zip(padding, scale, strict=True))
        return Extension("wrap" if mode == "wrap" else "edge", small)
    if unpadded or (enlarged.mode == "linear" and mode == "edge"):
        small = tuple(
            (-(-a // s) + more, -(-b // s) + more) if s > 1 else (a, b)
            for (a, b), s, more in zip(padding, scale, enlarged.extended, strict=True)
        )
        return Extension("edge", small)
    told = {"constant": "zeros around", "edge": "a repeated edge of"}.get(mode, f"a padding by {mode} of")
    raise NotFoldableError(f"{told} what {enlarged.mode} interpolation gives can't be had by padding what it is given")
