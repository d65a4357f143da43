"""Pixel shuffle, and the sub-pixel convolution: a transposed convolution in another order of memory."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flatfield.core.convolution import Convolution, TransposedConvolution, Window
from flatfield.core.gain import shuffle_gains, shuffled_channels
from flatfield.core.taps import Ints, Pairs


def shuffle_matrix(channels: int, scale: Ints, size: Ints) -> npt.NDArray[np.float64]:
    """Give the pixel shuffle as a permutation matrix (PyTorch's order: channel, then the phases).

    Maps (channels * prod(scale), *size) to (channels, *(scale * size)).

    >>> shuffle_matrix(1, (2,), (2,)) @ [10, 11, 20, 21]
    array([10., 20., 11., 21.])
    """
    dims = len(scale)
    count = channels * math.prod(scale) * math.prod(size)
    numbered = np.arange(count).reshape(channels, *scale, *size)
    pairs = [axis for a in range(dims) for axis in (1 + dims + a, 1 + a)]
    source = numbered.transpose(0, *pairs).ravel()
    return np.eye(count)[source]


@dataclass(frozen=True)
class SubPixelConvolution:
    """A stride-1 convolution to channels * prod(scale) channels, then a pixel shuffle (Shi et al. 2016).

    `weight` is (channels * prod(scale), in, *kernel), PyTorch's order. Raises `ValueError` for channels that
    do not divide so, and for a window with another stride.

    >>> layer = SubPixelConvolution(np.array([1.0, 3.0]).reshape(2, 1, 1), (2,), Window(1))
    >>> layer.as_matrix((2,)) @ [1, 1]
    array([1., 3., 1., 3.])
    """

    weight: npt.NDArray[np.floating]
    scale: Ints
    window: Window

    def __post_init__(self) -> None:
        shuffled_channels(self.weight.shape[0], self.scale)
        if set(self.window.stride) != {1}:
            raise ValueError(f"a sub-pixel convolution walks in steps of 1, not {self.window.stride}")

    @property
    def channels(self) -> int:
        """Number of output channels."""
        return shuffled_channels(self.weight.shape[0], self.scale)

    def as_matrix(self, size: Ints) -> npt.NDArray[np.float64]:
        """Give the dense matrix: shuffle times convolution."""
        convolution = Convolution(self.weight, self.window)
        shuffle = shuffle_matrix(self.channels, self.scale, convolution.output_size(size))
        return shuffle @ convolution.as_matrix(size)

    def gains(self) -> npt.NDArray[np.float64]:
        """Give the phase gains as (*scale, channels, in)."""
        return shuffle_gains(self.weight, self.scale)

    def as_transposed(self) -> TransposedConvolution:
        """Give the transposed convolution with the same matrix.

        Tap j of phase f stands at `f + s d (k - 1 - j)`, the padding before is `s (d (k - 1) - p)`: from
        `y[s m + f] = sum of w[j] x[m + d j - p]` with `t = m' + padding - s n`.
        """
        dims = len(self.scale)
        kernel, d = self.weight.shape[2:], self.window.dilation
        split = self.weight.reshape(self.channels, *self.scale, self.weight.shape[1], *kernel)
        split = np.moveaxis(split, (1 + dims, 0), (0, 1))  # (in, channels, *phases, *kernel)
        sizes = tuple(s * (d_ * (k - 1) + 1) for s, d_, k in zip(self.scale, d, kernel, strict=True))
        folded = np.zeros((*split.shape[:2], *sizes))
        for tap in np.ndindex(*kernel):
            where = tuple(
                slice(s * d_ * (k - 1 - j), s * d_ * (k - 1 - j) + s)
                for s, d_, k, j in zip(self.scale, d, kernel, tap, strict=True)
            )
            folded[(slice(None), slice(None), *where)] = split[(..., *tap)]
        padding: Pairs = tuple(
            (s * (d_ * (k - 1) - before), s * (d_ * (k - 1) - after))
            for s, d_, k, (before, after) in zip(self.scale, d, kernel, self.window.padding, strict=True)
        )
        return TransposedConvolution(folded, Window(dims, stride=self.scale, padding=padding))
