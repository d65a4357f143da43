"""Resize-convolution against interpolate + convolution and against the transposed convolution it replaces."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.nn.clock import heading, medians, row
from flatfield.nn.functional import resize_conv
from flatfield.nn.resampling import resampling
from flatfield.nn.ways.choice import choose

CONVOLUTION = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
LAST = {2: torch.channels_last, 3: torch.channels_last_3d}
SMOOTH = {1: "linear", 2: "bilinear", 3: "trilinear"}
LARGE = 8e9
"""Multiply-adds of the plain way from which a shape counts as large."""


@dataclass(frozen=True)
class Shape:
    batch: int
    into: int
    out: int
    size: tuple[int, ...]

    @property
    def dims(self) -> int:
        return len(self.size)

    @property
    def large(self) -> bool:
        return bool(self.batch * self.into * self.out * 6**self.dims * math.prod(self.size) > LARGE)

    def __str__(self) -> str:
        return f"({self.batch}, {self.into}, {self.out}, {self.size[0]}^{self.dims})"

    def tensors(self, last: bool, kernel: int = 3) -> tuple[Tensor, Tensor, Tensor]:
        x = torch.randn(self.batch, self.into, *self.size)
        weight = torch.randn(self.out, self.into, *[kernel] * self.dims) / (self.into * kernel**self.dims) ** 0.5
        if last:
            x, weight = x.to(memory_format=LAST[self.dims]), weight.to(memory_format=LAST[self.dims])
        return x, weight, torch.randn(self.out)


PLANE = [
    Shape(1, 512, 512, (64, 64)),
    Shape(1, 512, 256, (128, 128)),
    Shape(1, 256, 256, (128, 128)),
    Shape(1, 256, 128, (256, 256)),
    Shape(8, 256, 128, (16, 16)),
    Shape(16, 128, 64, (32, 32)),
    Shape(1, 64, 3, (128, 128)),
]
OTHERS = [Shape(1, 64, 32, (32, 32, 32)), Shape(1, 32, 16, (64, 64, 64)), Shape(4, 256, 128, (4096,))]


def pair(x: Tensor, weight: Tensor, bias: Tensor, mode: str) -> Tensor:
    """What people write."""
    return CONVOLUTION[x.dim() - 2](F.interpolate(x, scale_factor=2, mode=mode), weight, bias, padding=1)


def layouts(shape: Shape) -> list[tuple[str, bool]]:
    return [("NCHW", False)] if shape.dims == 1 else [("NCHW", False), ("channels_last", True)]


def step(function: Callable[..., Tensor], tensors: list[Tensor], gradient: Tensor | None) -> None:
    """One forward pass, and one backward if there is a gradient to carry."""
    with torch.set_grad_enabled(gradient is not None):
        y = function(*tensors)
        if gradient is not None:
            y.backward(gradient)


def calls(shape: Shape, mode: str, train: bool, compiled: bool) -> dict[str, Callable[[], object]]:
    """Plain and ours, in every layout, and the plain pair compiled if asked for."""
    found: dict[str, Callable[[], object]] = {}
    for name, last in layouts(shape):
        tensors = [t.requires_grad_(train) for t in shape.tensors(last)]
        x, weight, bias = tensors
        gradient = torch.randn_like(pair(x, weight, bias, mode).detach()) if train else None
        functions: dict[str, Callable[..., Tensor]] = {"plain": pair, "ours": resize_conv}
        if compiled:
            torch._dynamo.reset()
            functions["compiled"] = torch.compile(pair, dynamic=False)
        for who, function in functions.items():
            found[f"{who} {name}"] = partial(step, partial(function, mode=mode), tensors, gradient)
            found[f"{who} {name}"]()
    return found


def chosen(shape: Shape, mode: str, last: bool) -> str:
    x, weight, _ = shape.tensors(last)
    return choose(x, weight, resampling((3,) * shape.dims, mode=mode))


def against_pair(title: str, shapes: list[Shape], *, smooth: bool, train: bool, compiled: bool, rounds: int) -> None:
    heads = ["shape", "best of plain, ms", "ours, ms (layout, way)", "ratio", "within NCHW / channels_last"]
    heading(title, heads)
    for shape in shapes:
        mode = SMOOTH[shape.dims] if smooth else "nearest"
        times = medians(calls(shape, mode, train, compiled), rounds)
        theirs = {name: t for name, t in times.items() if not name.startswith("ours")}
        ours = {name: t for name, t in times.items() if name.startswith("ours")}
        best, mine = min(theirs, key=theirs.__getitem__), min(ours, key=ours.__getitem__)
        row(
            *[
                str(shape) + (" large" if shape.large else ""),
                f"{theirs[best]:.1f} ({best})",
                f"{ours[mine]:.1f} ({mine[5:]}, {chosen(shape, mode, 'last' in mine)})",
                f"**{theirs[best] / ours[mine]:.2f}**",
                " / ".join(
                    f"{min(t for w, t in theirs.items() if w.endswith(n)) / times[f'ours {n}']:.2f}"
                    for n, _ in layouts(shape)
                ),
            ]
        )


def against_transposed(shapes: list[Shape], rounds: int) -> None:
    heading(
        "Forward, against ConvTranspose(4, 2, 1) with as many channels (best layout of each)",
        ["shape", "transposed, ms", "ours, ms", "ratio"],
    )
    for shape in shapes:
        timed: dict[str, Callable[[], object]] = {}
        for name, last in layouts(shape):
            x, weight, bias = shape.tensors(last)
            kernel = (
                shape.tensors(last, 4)[1]
                .transpose(0, 1)
                .contiguous(memory_format=LAST[shape.dims] if last else torch.contiguous_format)
            )
            timed[f"transposed {name}"] = partial(TRANSPOSED[shape.dims], x, kernel, bias, stride=2, padding=1)
            timed[f"ours {name}"] = partial(resize_conv, x, weight, bias)
        with torch.no_grad():
            times = medians(timed, rounds)
        theirs = min(t for name, t in times.items() if name.startswith("transposed"))
        ours = min(t for name, t in times.items() if name.startswith("ours"))
        row(str(shape), f"{theirs:.1f}", f"{ours:.1f}", f"**{theirs / ours:.2f}**")


def saved_bytes(call: Callable[[], object], parameter: Tensor) -> tuple[int, int]:
    """Bytes kept for backward: (all, without the parameter itself)."""
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        call()
    total = sum(kept.values())
    return total, total - kept.get(parameter.untyped_storage().data_ptr(), 0)


def memory(shapes: list[Shape]) -> None:
    heading(
        "Tensors saved for backward, ours / plain",
        ["shape", "nearest", "with the weight", "linear", "with the weight"],
    )
    for shape in shapes:
        cells = [str(shape)]
        for mode in ("nearest", SMOOTH[shape.dims]):
            x, weight, bias = (t.requires_grad_() for t in shape.tensors(shape.dims > 1))
            plain = saved_bytes(partial(pair, x, weight, bias, mode), weight)
            ours = saved_bytes(partial(resize_conv, x, weight, bias, 2, mode), weight)
            cells += [f"**{ours[1] / plain[1]:.2f}**", f"{ours[0] / plain[0]:.2f}"]
        row(*cells)
