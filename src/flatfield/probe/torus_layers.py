"""Layers on the torus: what PyTorch's operators answer where the plane goes on periodically.

Every tensor is a window on a periodic plane, in the coordinates and of the size that the network itself expects.
A handler shows the operator as much of the plane as it looks at, in place of the padding, and keeps the window.
So nothing has to be rolled or folded back, and the network's own crops and concatenations stay consistent.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from flatfield.core.taps import Ints
from flatfield.probe.extent import extended, positions
from flatfield.probe.period import Periods, after_downsampling, after_upsampling, merged, parted
from flatfield.probe.reach import gather_sides, spread_sides, times
from flatfield.probe.torus_call import TorusCall, numbers, pairs_of
from flatfield.probe.unhonoured import WindowTooSmallError

Handled = tuple[Any, Periods]
Handler = Callable[[TorusCall], Handled]


def cropped(tensor: torch.Tensor, margins: Ints, sizes: Ints) -> torch.Tensor:
    """Cut `sizes` positions behind `margins` out of the last axes."""
    first = tensor.dim() - len(sizes)
    for axis, (margin, n) in enumerate(zip(margins, sizes, strict=True), start=first):
        tensor = tensor.narrow(axis, margin, n)
    return tensor


def convolution(call: TorusCall) -> Handled:
    """`aten.convolution`: convolution, and transposed convolution of any stride, dilation and output padding."""
    dims = call["weight"].dim() - 2
    return _spread(call, dims) if call["transposed"] else _gathered(call, dims)


def _gathered(call: TorusCall, dims: int) -> Handled:
    x, kernel = call["input"], tuple(call["weight"].shape[2:])
    stride, padding, dilation = (numbers(call[name], dims) for name in ("stride", "padding", "dilation"))
    space = call.space(x, dims)
    sides = gather_sides(tuple(x.shape[-dims:]), kernel, stride, padding, dilation)
    result = call.run(input=extended(x, sides, space), padding=[0] * dims)
    return result, call.behind(x, [after_downsampling(p, s) for p, s in zip(space, stride, strict=True)])


def _spread(call: TorusCall, dims: int) -> Handled:
    x, kernel = call["input"], tuple(call["weight"].shape[2:])
    stride, padding, dilation, extra = (
        numbers(call[name], dims) for name in ("stride", "padding", "dilation", "output_padding")
    )
    size = tuple(x.shape[-dims:])
    reach = tuple(d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True))
    outputs = tuple(
        (n - 1) * s - 2 * p + r + o for n, s, p, r, o in zip(size, stride, padding, reach, extra, strict=True)
    )
    if min(outputs) < 1:
        raise WindowTooSmallError(f"a transposed convolution of {size} leaves nothing")
    sides = spread_sides(size, outputs, reach, stride, padding)
    space = call.space(x, dims)
    result = call.run(input=extended(x, sides, space))
    periods = call.behind(x, [after_upsampling(p, s) for p, s in zip(space, stride, strict=True)])
    return cropped(result, tuple(before for before, _ in times(sides, stride)), outputs), periods


def pool(call: TorusCall) -> Handled:
    """Average and max pooling; indices of a maximum count in the window, as the network expects."""
    x = call["self"]
    listed = call["kernel_size"]
    dims = 1 if isinstance(listed, int) else len(listed)
    kernel = numbers(listed, dims)
    stride = numbers(call["stride"] or kernel, dims)
    dilation = numbers(call.arguments.get("dilation") or 1, dims)
    size, space = tuple(x.shape[-dims:]), call.space(x, dims)
    padding, ceil = numbers(call["padding"], dims), bool(call["ceil_mode"])
    sides = gather_sides(size, kernel, stride, padding, dilation, ceil=ceil)
    result = call.run(self=extended(x, sides, space), padding=[0] * dims, ceil_mode=False)
    if isinstance(result, tuple):
        result = (result[0], _indices(result[1], size, sides, space))
    return result, call.behind(x, [after_downsampling(p, s) for p, s in zip(space, stride, strict=True)])


def _indices(found: torch.Tensor, size: Ints, sides: list[tuple[int, int]], space: Ints) -> torch.Tensor:
    """Indices into a window with margins, as indices into the window."""
    result, rest = torch.zeros_like(found), found
    step = 1
    for n, (before, after), period in reversed(list(zip(size, sides, space, strict=True))):
        where = positions(n, before, after, period).to(found.device)
        result = result + where[rest % len(where)] * step
        rest = rest // len(where)
        step *= n
    return result


def adaptive_pool(call: TorusCall) -> Handled:
    """Adaptive pooling: plain pooling where the sizes divide."""
    x = call["self"]
    outputs = numbers(call["output_size"], len(call["output_size"]))
    dims = len(outputs)
    size, space = x.shape[-dims:], call.space(x, dims)
    if any(n % m or (n % p and m == 1) for n, m, p in zip(size, outputs, space, strict=True)):
        call.note("its windows have several sizes")
    periods = [p // math.gcd(p, n // m) if n % m == 0 else m for n, m, p in zip(size, outputs, space, strict=True)]
    return call.run(), call.behind(x, periods)


def unpool(call: TorusCall) -> Handled:
    """`max_unpool`: values return to where the maximum stood."""
    x, outputs = call["self"], call["output_size"]
    dims = len(outputs)
    periods = [p * max(1, m // n) for p, m, n in zip(call.space(x, dims), outputs, x.shape[-dims:], strict=True)]
    return call.run(), call.behind(x, periods)


def unfold(call: TorusCall) -> Handled:
    """`im2col`: windows laid out as channels."""
    x = call["self"]
    kernel, stride, padding, dilation = (
        numbers(call[name], 2) for name in ("kernel_size", "stride", "padding", "dilation")
    )
    space = call.space(x, 2)
    sides = gather_sides(tuple(x.shape[-2:]), kernel, stride, padding, dilation)
    result = call.run(self=extended(x, sides, space), padding=[0, 0])
    rows, columns = (
        (n + b + a - d * (k - 1) - 1) // s + 1
        for n, (b, a), d, k, s in zip(x.shape[-2:], sides, dilation, kernel, stride, strict=True)
    )
    behind = tuple(after_downsampling(p, s) for p, s in zip(space, stride, strict=True))
    return result, (*call.periods(x)[:-2], merged((rows, columns), behind))


def fold(call: TorusCall) -> Handled:
    """`col2im`: windows added up again, a transposed convolution with a fixed kernel."""
    x, outputs = call["self"], numbers(call["output_size"], 2)
    kernel, stride, padding, dilation = (
        numbers(call[name], 2) for name in ("kernel_size", "stride", "padding", "dilation")
    )
    reach = tuple(d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True))
    size = tuple((m + 2 * p - r) // s + 1 for m, p, r, s in zip(outputs, padding, reach, stride, strict=True))
    space = parted(call.space(x, 1)[0], size)
    sides = spread_sides(size, outputs, reach, stride, padding)
    grid = extended(x.reshape(*x.shape[:-1], *size), sides, space)
    beyond = times(sides, stride)
    result = call.run(self=grid.flatten(-2), output_size=[m + sum(b) for m, b in zip(outputs, beyond, strict=True)])
    periods = tuple(after_upsampling(p, s) for p, s in zip(space, stride, strict=True))
    return cropped(result, tuple(b for b, _ in beyond), outputs), (*call.periods(x)[:-1], *periods)


def pixel_shuffle(call: TorusCall) -> Handled:
    """`pixel_shuffle`: every phase has channels of its own."""
    x, r = call["self"], call["upscale_factor"]
    return call.run(), call.behind(x, [after_upsampling(p, r) for p in call.space(x, 2)])


def pixel_unshuffle(call: TorusCall) -> Handled:
    """`pixel_unshuffle`: every phase becomes channels."""
    x, r = call["self"], call["downscale_factor"]
    return call.run(), call.behind(x, [after_downsampling(p, r) for p in call.space(x, 2)])


def pad(call: TorusCall) -> Handled:
    """Any padding shows more of the plane; axes without positions are padded as they were."""
    x = call["self"]
    pairs = pairs_of(call["pad" if "pad" in call.arguments else "padding"])
    known = call.periods(x)[-len(pairs) :]
    periods = tuple(s if p > 0 else p for s, p in zip(call.space(x, len(pairs)), known, strict=True))
    sides = [pair if p > 0 else (0, 0) for pair, p in zip(pairs, periods, strict=True)]
    result = extended(x, sides, periods)
    if sides != list(pairs):
        kept = reversed([pair if p <= 0 else (0, 0) for pair, p in zip(pairs, periods, strict=True)])
        rest = [n for pair in kept for n in pair]
        result = torch.ops.aten.constant_pad_nd.default(result, rest, call.arguments.get("value") or 0)
    return result, call.periods(x)


_POOLS = ("avg_pool1d", "avg_pool2d", "avg_pool3d", "max_pool2d_with_indices", "max_pool3d_with_indices",
          "max_pool1d", "max_pool2d", "max_pool3d")  # fmt: skip
GATHERS: dict[str, Handler] = {
    **dict.fromkeys(_POOLS, pool),
    **dict.fromkeys(("_adaptive_avg_pool2d", "_adaptive_avg_pool3d", "adaptive_avg_pool1d"), adaptive_pool),
    "im2col": unfold,
    "pixel_unshuffle": pixel_unshuffle,
}
SPREADS: dict[str, Handler] = {"pixel_shuffle": pixel_shuffle, "col2im": fold, "max_unpool2d": unpool,
                               "max_unpool3d": unpool}  # fmt: skip
PADS: dict[str, Handler] = dict.fromkeys(
    ("constant_pad_nd", *(f"{kind}_pad{d}d" for kind in ("reflection", "replication") for d in (1, 2, 3))), pad
)
