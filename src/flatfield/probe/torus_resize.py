"""Interpolation on the torus: the border repeats the plane, not the edge."""

from __future__ import annotations

import math
from fractions import Fraction

from flatfield.core.taps import Ints
from flatfield.probe.extent import extended
from flatfield.probe.torus_call import TorusCall
from flatfield.probe.torus_layers import Handled, Handler, cropped

_REACH = {"nearest": 1, "linear": 1, "bilinear": 1, "trilinear": 1, "bicubic": 2, "lanczos": 3}


def scale_of(size: int, output: int, given: float | None) -> Fraction:
    """Outputs for each input: as the operator was told, or as the sizes say.

    >>> scale_of(4, 8, None), scale_of(5, 7, 1.5)
    (Fraction(2, 1), Fraction(3, 2))
    """
    if given:
        told = Fraction(given).limit_denominator(1000)
        if math.floor(told * size) == output:
            return told
    return Fraction(output, size)


def resize(call: TorusCall) -> Handled:
    """`upsample_*`: run on a few positions more on each side, and crop what they give.

    With `align_corners` the factor depends on the size of the window, so nothing periodic comes out of anything
    but a constant: run as it is, and listed.
    """
    x, outputs = call["self" if "self" in call.arguments else "input"], tuple(call["output_size"])
    dims = len(outputs)
    size, space = tuple(x.shape[-dims:]), call.space(x, dims)
    factors = scales(call, size, outputs)
    if set(space) == {1}:
        return call.run(), call.behind(x, space)
    if call.arguments.get("align_corners") and factors != (1,) * dims:
        call.note("align_corners: the factor depends on the size, which no periodic plane has")
        return call.run(), call.behind(x, outputs)
    periods = tuple((p * f).numerator if p > 1 else 1 for p, f in zip(space, factors, strict=True))
    margin = tuple(0 if p == 1 else _margin(call, f) for p, f in zip(space, factors, strict=True))
    beyond = tuple(int(e * f) for e, f in zip(margin, factors, strict=True))
    wide = extended(x, [(e, e) for e in margin], space)
    sizes = [m + 2 * b for m, b in zip(outputs, beyond, strict=True)]
    name = "self" if "self" in call.arguments else "input"
    result = call.run(**{name: wide, "output_size": sizes})
    return cropped(result, beyond, outputs), call.behind(x, periods)


def scales(call: TorusCall, size: Ints, outputs: Ints) -> tuple[Fraction, ...]:
    """Outputs for each input of an interpolation, an axis at a time."""
    names = ("scales",) if len(outputs) == 1 else ("scales_d", "scales_h", "scales_w")[-len(outputs) :]
    told = [call.arguments.get(name) for name in names]
    return tuple(scale_of(n, m, f) for n, m, f in zip(size, outputs, told, strict=True))


def _margin(call: TorusCall, factor: Fraction) -> int:
    """Inputs to show on each side: what the kernel reaches, wider where it shrinks with antialiasing.

    A multiple of the factor's denominator, so that the crop falls on an output.
    """
    reach = next(r for name, r in _REACH.items() if name in call.operator)
    reach = math.ceil(reach * max(Fraction(1), 1 / factor)) + 1
    return factor.denominator * -(-reach // factor.denominator)


RESIZES: dict[str, Handler] = dict.fromkeys(
    (
        *(f"upsample_nearest{d}d" for d in (1, 2, 3)),
        *(f"_upsample_nearest_exact{d}d" for d in (1, 2, 3)),
        "upsample_linear1d", "upsample_bilinear2d", "upsample_trilinear3d", "upsample_bicubic2d",
        "_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa", "_upsample_lanczos2d_aa",
    ),
    resize,
)  # fmt: skip


def enlarges(call: TorusCall) -> bool:
    """True when an interpolation has more outputs than inputs on some axis."""
    x = call["self" if "self" in call.arguments else "input"]
    outputs = call["output_size"]
    return any(m > n for m, n in zip(outputs, x.shape[-len(outputs) :], strict=True))


def rescaled(call: TorusCall, before: Ints, after: Ints) -> list[int]:
    """Output size for an input of size `after` in place of `before`."""
    return [m * new // max(1, old) for m, old, new in zip(call["output_size"], before, after, strict=True)]


__all__ = ["RESIZES", "enlarges", "rescaled", "resize", "scale_of", "scales"]
