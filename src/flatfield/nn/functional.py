"""Resize-convolution as a function: interpolate, pad, convolve, for less than that."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from flatfield.nn.kept import Kept
from flatfield.nn.resampling import Padding, Resampling, Scale, resampling
from flatfield.nn.ways.borders import Borders, borders, extend, fill_strips, room
from flatfield.nn.ways.choice import can_mix, check_way, choose, forced, watched
from flatfield.nn.ways.layout import memory_format
from flatfield.nn.ways.mixing import matrices, mix_axes, plan_of
from flatfield.nn.ways.phases import phase_kernels, phased
from flatfield.nn.ways.plain import check_room, plain
from flatfield.nn.ways.smoothing import smooth
from flatfield.nn.ways.transposed import folded_kernel, transposed

Base = Callable[[Tensor, Tensor, Tensor | None, Borders, Resampling, Kept], Tensor]


def resize_conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    scale_factor: Scale = 2,
    mode: str = "nearest",
    padding: Padding = "same",
    padding_mode: str = "zeros",
    groups: int = 1,
    *,
    align_corners: bool | None = None,
    way: str | None = None,
    kept: Kept | None = None,
) -> Tensor:
    """Compute `conv(pad(interpolate(x)))`, exactly and borders included, by the cheapest way.

    `x` is (batch, in, *size), `weight` a convolution's (out, in / groups, *kernel), `bias` (out,); the
    result is (batch, out, *(scale * size + padding - kernel + 1)). `padding` is at high resolution. `way`
    (or the environment's FLATFIELD_RESIZE_CONV, where it can be followed) forces one of "mixed",
    "phases", "plain" and "transposed"; `kept` remembers folded weights between calls that need no gradient
    of the weight. Scales that are not whole, `align_corners=True` and circular padding of a smooth
    interpolation take the plain way. Raises `ValueError` for shapes and settings that don't fit.
    Source: Odena, Dumoulin & Olah 2016 (resize-convolution); the folding is in the design, section 3.

    >>> x = torch.tensor([[[1.0, 2.0]]])
    >>> resize_conv(x, torch.tensor([[[1.0, 10.0, 100.0]]]))
    tensor([[[110., 211., 221.,  22.]]])
    """
    _check_shapes(x, weight, bias, groups)
    kernel = tuple(weight.shape[2:])
    r = resampling(
        kernel,
        scale_factor=scale_factor,
        mode=mode,
        padding=padding,
        padding_mode=padding_mode,
        groups=groups,
        align_corners=align_corners,
    )
    x, weight, bias = _autocast(x, weight, bias)
    high = [math.floor(n * s) for n, s in zip(x.shape[2:], r.scale, strict=True)]
    check_room(high, r.padding, r.padding_mode)
    way = _way(x, weight, r, way)
    layout = memory_format(x, weight)
    b = None if way == "plain" else borders(x.shape[2:], kernel, r)
    if b is None or (b.strips and not room(x.shape[2:], kernel, r)):
        return plain(x, weight, bias, r).contiguous(memory_format=layout)
    y = BASES[way](extend(x, b), weight, bias, b, r, kept)
    if r.smooth:
        y = smooth(y, r.whole, r.mode, traced=torch.compiler.is_compiling() or watched())
    y = y.contiguous(memory_format=layout)
    return fill_strips(y, x, weight, bias, r) if b.strips else y


def _way(x: Tensor, weight: Tensor, r: Resampling, asked: str | None) -> str:
    """The way to take: the one asked for, else the environment's if it can be followed, else the cheapest."""
    foldable = r.foldable(tuple(weight.shape[2:])) and x.numel() > 0 and weight.numel() > 0
    if asked is not None:
        check_way(asked)
        if asked == "plain" or (foldable and (asked != "mixed" or can_mix(x, weight, r))):
            return asked
        raise ValueError(f"way {asked!r} can't do {r} on {tuple(x.shape)} of {x.dtype}: leave the choice open")
    wanted = forced()
    if not foldable or (r.smooth and torch.compiler.is_compiling()):
        return "plain"  # compilers fuse a smooth interpolation into its padding; strips would stand in the way
    if wanted is not None and (wanted != "mixed" or can_mix(x, weight, r)):
        return wanted
    return choose(x, weight, r)


def _folded(weight: Tensor, kept: Kept | None, key: tuple[object, ...], make: Callable[[], Tensor]) -> Tensor:
    """Fold, or take what is kept if nobody needs the gradient of the weight."""
    traced = torch.compiler.is_compiling() or watched()
    if kept is None or traced or (torch.is_grad_enabled() and weight.requires_grad):
        return make()
    return kept.get(weight, key, make)


def _by_transposed(
    x: Tensor, weight: Tensor, bias: Tensor | None, b: Borders, r: Resampling, kept: Kept | None
) -> Tensor:
    folded = _folded(weight, kept, ("transposed", r.whole, r.groups), lambda: folded_kernel(weight, r.whole, r.groups))
    return transposed(x, folded, bias, b.axes, r.groups)


def _by_phases(x: Tensor, weight: Tensor, bias: Tensor | None, b: Borders, r: Resampling, kept: Kept | None) -> Tensor:
    kernels = _folded(weight, kept, ("phases", r.whole), lambda: phase_kernels(weight, r.whole))
    return phased(x, kernels, bias, b.axes, r.groups)


def _by_mixed(x: Tensor, weight: Tensor, bias: Tensor | None, b: Borders, r: Resampling, kept: Kept | None) -> Tensor:
    plan = plan_of(b.axes)
    if x.device.type != "cpu":
        return mix_axes(x, weight, bias, weight, plan)  # the GPU's kernel takes the weight as it is
    with torch.no_grad():
        folded = _folded(weight, kept, ("mixed", plan.axes), lambda: matrices(weight, plan))
    return mix_axes(x, weight, bias, folded, plan)


BASES = {"mixed": _by_mixed, "phases": _by_phases, "transposed": _by_transposed}
"""The folded ways to a nearest resize-convolution; all else is built on it."""


def _check_shapes(x: Tensor, weight: Tensor, bias: Tensor | None, groups: int) -> None:
    dims = weight.dim() - 2
    if dims not in (1, 2, 3):
        raise ValueError(f"weight {tuple(weight.shape)} must be (out, in / groups, *kernel) with 1 to 3 axes")
    if x.dim() != dims + 2:
        raise ValueError(f"input {tuple(x.shape)} must be (batch, in, *size) with {dims} axes: add the batch")
    if groups < 1 or weight.shape[0] % groups or x.shape[1] != weight.shape[1] * groups:
        raise ValueError(
            f"input of {x.shape[1]} channels does not fit weight {tuple(weight.shape)} with groups={groups}: "
            f"it takes {weight.shape[1] * groups}, and groups must divide {weight.shape[0]}"
        )
    if bias is not None and bias.shape != (weight.shape[0],):
        raise ValueError(f"bias {tuple(bias.shape)} must be ({weight.shape[0]},), one number an output channel")


def _autocast(x: Tensor, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
    """Cast as autocast casts the operands of a convolution."""
    if not torch.is_autocast_enabled(x.device.type) or x.dtype == torch.float64:
        return x, weight, bias
    dtype = torch.get_autocast_dtype(x.device.type)
    return x.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype)
