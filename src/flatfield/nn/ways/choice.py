"""Which way to take: by what can be folded, where it runs, and what it costs."""

from __future__ import annotations

import os

import torch
from torch import Tensor
from torch.utils._python_dispatch import _get_current_dispatch_mode

from flatfield.nn.resampling import Resampling
from flatfield.nn.ways import gpu
from flatfield.nn.ways.cost import seconds, smoothing_seconds
from flatfield.nn.ways.layout import memory_format

WAYS = ("mixed", "phases", "plain", "transposed")
OVERRIDE = "FLATFIELD_RESIZE_CONV"


def forced() -> str | None:
    """Give the way that the environment asks for, if any; `ValueError` for one that there isn't."""
    way = os.environ.get(OVERRIDE) or None
    if way is not None:
        check_way(way, OVERRIDE + "=")
    return way


def check_way(way: str, where: str = "way ") -> None:
    """Raise `ValueError` for a way that there isn't."""
    if way not in WAYS:
        raise ValueError(f"{where}{way!r} is unknown: take one of {', '.join(WAYS)}")


def watched() -> bool:
    """Whether operators are being watched, traced or transformed, rather than just run."""
    return (
        torch._C._get_tracing_state() is not None
        or _get_current_dispatch_mode() is not None
        or torch._C._functorch.peek_interpreter_stack() is not None
    )


def can_mix(x: Tensor, weight: Tensor, r: Resampling) -> bool:
    """Whether the mixed way is at hand: an ordinary tensor, one group, a precision and device it is made for."""
    if x.device.type == "cpu":
        made_for = x.dtype in (torch.float32, torch.float64)
    else:
        made_for = x.device.type == "cuda" and gpu.available and x.dtype != torch.float64
    return (
        made_for
        and r.groups == 1
        and not torch.compiler.is_compiling()
        and not watched()
        and type(x) in (Tensor, torch.nn.Parameter)
    )


def choose(x: Tensor, weight: Tensor, r: Resampling) -> str:
    """Choose a way for these shapes."""
    if torch.compiler.is_compiling():
        return "phases"
    if watched():
        return "plain"  # who watches operators should see the definition
    if x.device.type != "cpu":
        return "plain" if r.smooth else "transposed"  # not measured: the fewest operators that save work
    folded = ("mixed", "phases", "transposed") if can_mix(x, weight, r) else ("phases", "transposed")
    last = memory_format(x, weight) is not torch.contiguous_format
    shapes = x.shape, weight.shape, r.whole
    costs = {way: seconds(way, *shapes, channels_last=last) for way in (*folded, "plain")}
    if r.smooth:
        if r.dims != 2:
            return "plain"  # in 1-d there is too little to save, in 3-d strips eat it up
        extra = smoothing_seconds(*shapes, r.padding, channels_last=last)
        costs.update({way: costs[way] + extra for way in folded})
    cheapest: str = min(costs, key=lambda way: costs[way])
    return cheapest
