"""Interpolation by a whole factor: a fixed kernel, the same for every channel."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import reduce
from typing import Literal

import numpy as np
import numpy.typing as npt

from flatfield.core.convolution import TransposedConvolution, Window
from flatfield.core.taps import Ints, per_axis

Mode = Literal["nearest", "nearest-exact", "linear", "cubic"]
_REACH = {"nearest": 0.5, "nearest-exact": 0.5, "linear": 1.0, "cubic": 2.0}
_CUBIC = -0.75  # the free parameter of Keys' kernel in PyTorch and ONNX


def _reach(mode: str) -> float:
    if mode not in _REACH:
        raise ValueError(f"mode {mode!r} is unknown: take one of {', '.join(_REACH)}")
    return _REACH[mode]


def _response(mode: str, distance: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    x = np.abs(distance)
    if mode == "linear":
        return np.maximum(0.0, 1.0 - x)
    near = (_CUBIC + 2) * x**3 - (_CUBIC + 3) * x**2 + 1
    far = _CUBIC * (x - 1) * (x - 2) ** 2
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


def interpolation_kernel(scale: int, mode: Mode) -> tuple[npt.NDArray[np.float64], int]:
    """Give interpolation by `scale` as the kernel and the padding of a transposed convolution (1-d).

    Half-pixel centres, as `torch.nn.functional.interpolate(align_corners=False)`; borders aside, where
    interpolation repeats the edge and a transposed convolution sees zeros. Raises `ValueError` for an
    unknown mode or a scale below 1.

    >>> kernel, padding = interpolation_kernel(2, "linear")
    >>> kernel.tolist(), padding
    ([0.25, 0.75, 0.75, 0.25], 1)
    """
    reach = scale * _reach(mode)
    if scale < 1:
        raise ValueError(f"scale {scale} must be at least 1")
    if mode.startswith("nearest"):
        return np.ones(scale), 0
    # output m = s n + j lies at (j + 1/2)/s - 1/2 from input n
    first = math.ceil((scale - 1) / 2 - reach)
    offsets = np.arange(first, math.floor((scale - 1) / 2 + reach) + 1)
    taps = _response(mode, (offsets + 0.5) / scale - 0.5)
    keep = np.flatnonzero(np.abs(taps) > 1e-15)
    return taps[keep[0] : keep[-1] + 1], -int(offsets[keep[0]])


def interpolation_matrix(
    inputs: int, outputs: int, mode: Mode, *, align_corners: bool = False
) -> npt.NDArray[np.float64]:
    """Give interpolation along one axis as a matrix (outputs, inputs), borders included.

    Sizes need not divide. Nearest takes `floor(m / scale)`, nearest-exact the closest centre, linear and
    cubic repeat the edge. Every row sums to 1, so interpolation by itself is always flat.

    >>> interpolation_matrix(2, 4, "linear")
    array([[1.  , 0.  ],
           [0.75, 0.25],
           [0.25, 0.75],
           [0.  , 1.  ]])
    """
    m = np.arange(outputs)
    matrix = np.zeros((outputs, inputs))
    reach = math.floor(_reach(mode))
    if mode.startswith("nearest"):
        shift = 0.5 if mode == "nearest-exact" else 0.0
        source = np.minimum(np.floor((m + shift) * inputs / outputs).astype(int), inputs - 1)
        matrix[m, source] = 1.0
        return matrix
    if align_corners:
        centre = m * ((inputs - 1) / (outputs - 1) if outputs > 1 else 0.0)
    else:
        centre = (m + 0.5) * inputs / outputs - 0.5
    below = np.floor(centre).astype(int)
    for offset in range(1 - reach, reach + 1):
        source = below + offset
        np.add.at(matrix, (m, np.clip(source, 0, inputs - 1)), _response(mode, centre - source))
    return matrix


@dataclass(frozen=True)
class Interpolation:
    """Interpolation of every channel by whole factors, one an axis.

    >>> Interpolation((2, 2), "nearest").as_transposed(channels=1).gains()[..., 0, 0]
    array([[1., 1.],
           [1., 1.]])
    """

    scale: Ints
    mode: Mode

    def as_matrix(self, size: Ints, *, channels: int = 1) -> npt.NDArray[np.float64]:
        """Give the dense matrix, (channels * prod(scale * size), channels * prod(size))."""
        matrix = np.eye(channels)
        for n, s in zip(size, self.scale, strict=True):
            matrix = np.asarray(np.kron(matrix, interpolation_matrix(n, n * s, self.mode)), dtype=np.float64)
        return matrix

    def as_transposed(self, channels: int = 1) -> TransposedConvolution:
        """Give the transposed convolution that does the same away from borders, one group a channel."""
        kernels, paddings = zip(*(interpolation_kernel(s, self.mode) for s in self.scale), strict=True)
        kernel = reduce(np.multiply.outer, kernels)
        # kernels are symmetric about the centre of a period: as much padding behind as before
        window = Window(len(self.scale), stride=self.scale, padding=paddings)
        weight = np.broadcast_to(kernel, (channels, 1, *kernel.shape))
        return TransposedConvolution(np.array(weight), window, groups=channels)


def fold(interpolation: Interpolation, weight: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Fold interpolation and the stride-1 convolution behind it into one transposed kernel.

    `weight` is a convolution's (out, in, *kernel); the result is a transposed convolution's
    (in, out, *folded) with folded = k + len(interpolation kernel) - 1 (design, section 3).

    >>> fold(Interpolation((2,), "nearest"), np.array([[[1.0, 2.0, 3.0]]]))[0, 0]
    array([3., 5., 3., 1.])
    """
    # a convolution reads w[t] at m + t: seen from the input it is written flipped
    flipped = np.flip(np.swapaxes(np.asarray(weight, dtype=np.float64), 0, 1), tuple(range(2, weight.ndim)))
    folded = flipped
    for axis, s in enumerate(per_axis(interpolation.scale, weight.ndim - 2, "scale")):
        box, _ = interpolation_kernel(s, interpolation.mode)
        folded = np.apply_along_axis(np.convolve, 2 + axis, folded, box)
    return folded
