"""What PyTorch makes of a layer, as a dense matrix in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from flatfield.core import Convolution, TransposedConvolution

Array = npt.NDArray[np.float64]
SPREAD = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
GATHER = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


def dense(function: Callable[[Tensor], Tensor], channels: int, size: Sequence[int]) -> Array:
    """The matrix of a linear function of (batch, channels, *size): its answers to one 1 among zeros."""
    count = channels * int(np.prod(size))
    answers = function(torch.eye(count, dtype=torch.float64).reshape(count, channels, *size))
    return answers.reshape(count, -1).T.numpy()


def _border(padding: Sequence[tuple[int, int]]) -> list[int]:
    """Padding in the order of `torch.nn.functional.pad`: last axis first."""
    return [number for pair in reversed(padding) for number in pair]


def transposed(layer: TransposedConvolution, size: Sequence[int]) -> Array:
    window, extra = layer.window, layer.output_padding or (0,) * layer.dims
    weight = torch.from_numpy(layer.weight)
    spread = SPREAD[layer.dims]

    def own(x: Tensor) -> Tensor:
        padding = [before for before, _ in window.padding]
        return spread(x, weight, None, window.stride, padding, extra, groups=layer.groups, dilation=window.dilation)

    def cropped(x: Tensor) -> Tensor:
        full = spread(x, weight, None, window.stride, groups=layer.groups, dilation=window.dilation)
        # output padding first, so that no crop is asked of more than there is
        full = F.pad(full, _border([(0, more) for more in extra]))
        return F.pad(full, _border([(-before, -after) for before, after in window.padding]))

    symmetric = all(before == after for before, after in window.padding)
    return dense(own if symmetric else cropped, layer.weight.shape[0], size)


def convolution(layer: Convolution, size: Sequence[int], *, torus: bool = False) -> Array:
    return dense(convolve(layer, torus=torus), layer.weight.shape[1] * layer.groups, size)


def convolve(layer: Convolution, *, torus: bool = False) -> Callable[[Tensor], Tensor]:
    """The layer as a function; a torus has no padding, it reads round the edge (stride 1)."""
    window, weight = layer.window, torch.from_numpy(layer.weight)
    gather = GATHER[layer.dims]

    def own(x: Tensor) -> Tensor:
        padding = [before for before, _ in window.padding]
        return gather(x, weight, None, window.stride, padding, window.dilation, layer.groups)

    def padded(x: Tensor) -> Tensor:
        x = F.pad(x, _border(window.padding))
        return gather(x, weight, None, window.stride, 0, window.dilation, layer.groups)

    def wrapped(x: Tensor) -> Tensor:
        for axis, (kernel, d) in enumerate(zip(layer.weight.shape[2:], window.dilation, strict=True), start=2):
            n = x.shape[axis]
            x = x.index_select(axis, torch.arange(n + d * (kernel - 1)) % n)
        return gather(x, weight, None, window.stride, 0, window.dilation, layer.groups)

    if torus:
        return wrapped
    return own if all(before == after for before, after in window.padding) else padded
