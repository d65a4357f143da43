"""What confining weights to flat ones costs: FlatConvTranspose2d against ConvTranspose2d."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks.nn.clock import heading, medians, row
from benchmarks.nn.resize import Shape
from flatfield.nn import FlatConvTranspose2d


def forward(module: nn.Module, x: Tensor) -> None:
    with torch.no_grad():
        module(x)


def both(module: nn.Module, x: Tensor) -> None:
    module(x).sum().backward()


def cost_of_flatness(shapes: list[Shape], rounds: int) -> None:
    heading("FlatConvTranspose2d(4, 2, 1) / ConvTranspose2d(4, 2, 1)", ["shape", "forward", "forward + backward"])
    for shape in shapes:
        x = shape.tensors(True)[0].requires_grad_()
        timed: dict[str, Callable[[], object]] = {}
        for name, layer in (("plain", nn.ConvTranspose2d), ("flat", FlatConvTranspose2d)):
            module = layer(shape.into, shape.out, 4, stride=2, padding=1)
            timed[f"forward {name}"] = partial(forward, module, x)
            timed[f"both {name}"] = partial(both, module, x)
        times = medians(timed, rounds)
        ratios = [times[f"{what} flat"] / times[f"{what} plain"] for what in ("forward", "both")]
        row(str(shape), *(f"**{ratio:.3f}**" for ratio in ratios))
