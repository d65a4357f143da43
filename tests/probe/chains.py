"""Random chains of layers with their truth: a dense matrix on the torus for every one of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from flatfield.core import Convolution, Interpolation, TransposedConvolution, Window, average_pool, shuffle_matrix

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Link:
    """One layer: the module, the dense matrix for a torus of `size`, and the size and channels behind it."""

    module: nn.Module
    matrix: Matrix
    size: tuple[int, ...]
    channels: int


class Functional(nn.Module):
    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        return self.function(signal)


def shift_matrix(channels: int, size: tuple[int, ...], shift: tuple[int, ...]) -> Matrix:
    """A padding on the torus: position i shows what stood at i - shift."""
    numbered = np.arange(channels * int(np.prod(size))).reshape(channels, *size)
    rolled = np.roll(numbered, shift, axis=tuple(range(1, 1 + len(size))))
    return np.eye(numbered.size)[rolled.ravel()]


def each(draw: st.DrawFn, dims: int, numbers: st.SearchStrategy[int]) -> tuple[int, ...]:
    return tuple(draw(numbers) for _ in range(dims))


def transposed(draw: st.DrawFn, channels: int, size: tuple[int, ...]) -> Link:
    dims = len(size)
    kernel, stride = each(draw, dims, st.integers(1, 5)), each(draw, dims, st.integers(1, 3))
    dilation = each(draw, dims, st.integers(1, 2))
    padding = tuple(draw(st.integers(0, d * (k - 1) // 2)) for k, d in zip(kernel, dilation, strict=True))
    extra = tuple(draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True))
    groups = draw(st.sampled_from([g for g in (1, 2) if channels % g == 0]))
    outputs = groups * draw(st.integers(1, 2))
    kind = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)[dims - 1]
    module = kind(
        channels,
        outputs,
        kernel,
        stride,
        padding,
        extra,
        groups=groups,
        dilation=dilation,
        bias=False,  # type: ignore[arg-type]
    ).double()
    window = Window(dims, stride=stride, padding=padding, dilation=dilation)
    layer = TransposedConvolution(module.weight.detach().numpy(), window, groups=groups)
    grown = tuple(n * s for n, s in zip(size, stride, strict=True))
    return Link(module, layer.as_matrix(size, torus=True), grown, outputs)


def convolution(draw: st.DrawFn, channels: int, size: tuple[int, ...]) -> Link:
    dims = len(size)
    kernel, dilation = each(draw, dims, st.integers(1, 4)), each(draw, dims, st.integers(1, 2))
    stride = tuple(draw(st.sampled_from([s for s in (1, 2, 3) if n % s == 0])) for n in size)
    padding = tuple(draw(st.integers(d * (k - 1) // 2, d * (k - 1))) for k, d in zip(kernel, dilation, strict=True))
    kind = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[dims - 1]
    module = kind(channels, 2, kernel, stride, padding, dilation=dilation, bias=False).double()  # type: ignore[arg-type]
    layer = Convolution(module.weight.detach().numpy(), Window(dims, stride=stride, padding=padding, dilation=dilation))
    shrunk = tuple(n // s for n, s in zip(size, stride, strict=True))
    return Link(module, layer.as_matrix(size, torus=True), shrunk, 2)


def pooled(draw: st.DrawFn, channels: int, size: tuple[int, ...]) -> Link:
    dims = len(size)
    kernel = each(draw, dims, st.integers(1, 3))
    stride = tuple(draw(st.sampled_from([s for s in (1, 2) if n % s == 0])) for n in size)
    padding = tuple(k // 2 for k in kernel)
    kind = (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)[dims - 1]
    module = kind(kernel, stride, padding, ceil_mode=draw(st.booleans()))  # type: ignore[arg-type]
    layer = average_pool(kernel, stride=stride, padding=padding, channels=channels)
    shrunk = tuple(n // s for n, s in zip(size, stride, strict=True))
    return Link(module, layer.as_matrix(size, torus=True), shrunk, channels)


def padded(draw: st.DrawFn, channels: int, size: tuple[int, ...]) -> Link:
    pairs = [each(draw, 2, st.integers(0, 2)) for _ in size]
    mode = draw(st.sampled_from(["constant", "reflect", "replicate", "circular"]))
    listed = [n for pair in reversed(pairs) for n in pair]
    matrix = shift_matrix(channels, size, tuple(before for before, _ in pairs))
    return Link(Functional(lambda x: F.pad(x, listed, mode=mode)), matrix, size, channels)


def resized(draw: st.DrawFn, channels: int, size: tuple[int, ...]) -> Link:
    dims = len(size)
    scale = each(draw, dims, st.integers(1, 3))
    mode = draw(st.sampled_from(["nearest", "nearest-exact", "linear"]))
    named = ("linear", "bilinear", "trilinear")[dims - 1] if mode == "linear" else mode
    module = nn.Upsample(scale_factor=tuple(float(s) for s in scale), mode=named)
    layer = Interpolation(scale, mode).as_transposed(channels)  # type: ignore[arg-type]
    grown = tuple(n * s for n, s in zip(size, scale, strict=True))
    return Link(module, layer.as_matrix(size, torus=True), grown, channels)


def shuffled(draw: st.DrawFn, channels: int, size: tuple[int, ...]) -> Link:
    """A pixel shuffle by name in two dimensions, by hand in others; channels are repeated to make enough."""
    dims = len(size)
    phases = 2**dims
    more = np.kron(np.ones((phases, 1)) * np.arange(1, phases + 1)[:, None], np.eye(channels))
    spread = np.kron(more, np.eye(int(np.prod(size))))
    factors = torch.arange(1, phases + 1, dtype=torch.float64).repeat_interleave(channels)

    def by_hand(x: torch.Tensor) -> torch.Tensor:
        x = torch.cat([x] * phases, 1) * factors.reshape(1, -1, *(1,) * dims)
        if dims == 2:
            return F.pixel_shuffle(x, 2)
        space = x.shape[2:]
        x = x.reshape(1, channels, *(2,) * dims, *space)
        order = [0, 1, *(axis for a in range(dims) for axis in (2 + dims + a, 2 + a))]
        return x.permute(order).reshape(1, channels, *(2 * n for n in space))

    matrix = shuffle_matrix(channels, (2,) * dims, size) @ spread
    return Link(Functional(by_hand), matrix, tuple(2 * n for n in size), channels)


LINKS = (transposed, convolution, pooled, padded, resized, shuffled)


@st.composite
def chains(draw: st.DrawFn, most: int = 4) -> tuple[nn.Module, Matrix, tuple[int, ...], tuple[int, ...], int]:
    """A chain of layers, its matrix, the torus it starts from and the one it ends on, and the output's channels."""
    torch.manual_seed(draw(st.integers(0, 99)))
    dims = draw(st.integers(1, 2))
    start = size = each(draw, dims, st.integers(2, 5))
    channels, matrix = 2, np.eye(2 * int(np.prod(size)))
    modules: list[nn.Module] = []
    for link in draw(st.lists(st.sampled_from(LINKS), min_size=1, max_size=most)):
        made = link(draw, channels, size)
        if made.matrix.shape[0] > 1500:
            break
        matrix = made.matrix @ matrix
        size, channels = made.size, made.channels
        modules.append(made.module)
    return nn.Sequential(*modules), matrix, start, size, channels
