"""Phase gains, and how uneven they are: what a layer makes of a flat input."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flatfield.core.taps import per_axis, tap_positions

FLAT = 1e-3
"""Below this unevenness (-60 dB) a layer counts as flat: under a quarter of a grey level at full contrast."""


def phase_gains(
    weight: npt.NDArray[np.floating], stride: int | Sequence[int], dilation: int | Sequence[int] = 1
) -> npt.NDArray[np.float64]:
    """Sum the taps of each phase: the response of every output phase to a flat input.

    `weight` is (a, b, *kernel), in whichever order the layer keeps its channels; the result is
    (*stride, a, b). A flat input `v` of a transposed convolution comes out as `G[(m + p) mod s] v + b`,
    so it stays flat iff all phases are equal (Sugawara, Shiota & Kiya 2018, polyphase DC condition).

    >>> phase_gains(np.ones((1, 1, 3)), 2)[:, 0, 0]
    array([2., 1.])
    """
    dims = weight.ndim - 2
    strides, dilations = per_axis(stride, dims, "stride"), per_axis(dilation, dims, "dilation")
    # taps first, so that every sum runs over whole planes; a product with a matrix of 0 and 1 is 2.5 times slower
    gains: npt.NDArray[np.float64] = np.ascontiguousarray(np.moveaxis(weight, (0, 1), (-2, -1)), dtype=np.float64)
    for axis, (s, d) in enumerate(zip(strides, dilations, strict=True)):
        summed = np.zeros((*gains.shape[:axis], s, *gains.shape[axis + 1 :]))
        phases, taps = np.moveaxis(summed, axis, 0), np.moveaxis(gains, axis, 0)
        for tap, phase in enumerate(tap_positions(len(taps), d) % s):
            phases[phase] += taps[tap]
        gains = summed
    return gains


def shuffled_channels(channels: int, scale: Sequence[int]) -> int:
    """Count the channels that a pixel shuffle by `scale` leaves of `channels`.

    >>> shuffled_channels(12, (2, 2))
    3
    """
    phases = math.prod(scale)
    if channels % phases:
        raise ValueError(f"{channels} channels can't be shuffled by {tuple(scale)}: not a multiple of {phases}")
    return channels // phases


def shuffle_gains(weight: npt.NDArray[np.floating], scale: Sequence[int]) -> npt.NDArray[np.float64]:
    """Give the phase gains of a sub-pixel convolution: a convolution followed by a pixel shuffle.

    `weight` is (channels * prod(scale), in, *kernel) in PyTorch's channel order (channel slowest, then
    the phase of each axis); the result is (*scale, channels, in) (Shi et al. 2016; Aitken et al. 2017).

    >>> weight = np.array([1.0, 1.0, 3.0, 3.0]).reshape(4, 1, 1, 1)
    >>> shuffle_gains(weight, (2, 2))[..., 0, 0]
    array([[1., 1.],
           [3., 3.]])
    """
    channels = shuffled_channels(weight.shape[0], scale)
    response = np.asarray(weight, dtype=np.float64).sum(axis=tuple(range(2, weight.ndim)))
    split = response.reshape(channels, *scale, weight.shape[1])
    return np.moveaxis(split, 0, -2)


def _phases(gains: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    return np.asarray(gains, dtype=np.float64).reshape(-1, *gains.shape[-2:])


def unevenness(gains: npt.NDArray[np.floating]) -> float:
    """Measure how far the phases differ: rms of `|G[f] - mean G|` over rms of `|G[f]|`, in [0, 1].

    `gains` is (*phases, a, b); the norm is Frobenius. 0 is flat; gains that are all zero are flat too.

    >>> round(unevenness(phase_gains(np.ones((1, 1, 3)), 2)), 4)
    0.3162
    >>> round(unevenness(phase_gains(np.ones((1, 1, 3, 3)), 2)), 4)
    0.4359
    """
    phases = _phases(gains)
    peak = float(np.abs(phases).max(initial=0.0))
    if peak == 0.0:
        return 0.0
    phases = phases / peak  # the squares of very small gains would vanish
    ratio = float(np.linalg.norm(phases - phases.mean(axis=0)) / np.linalg.norm(phases))
    return min(ratio, 1.0)  # rounding alone can pass 1


def decibels(ratio: float) -> float:
    """Say an unevenness in dB: `20 log10 u`; minus infinity for a perfectly flat layer.

    >>> round(decibels(0.3162), 1)
    -10.0
    """
    return 20.0 * math.log10(ratio) if ratio > 0.0 else -math.inf


@dataclass(frozen=True)
class WorstInput:
    """The flat input of unit length that a layer turns into its strongest grid.

    `direction` has one number an input channel; `grid` is the rms over phases of what departs from the
    mean at the output, in output units.
    """

    direction: npt.NDArray[np.float64]
    grid: float


def worst_input(gains: npt.NDArray[np.floating]) -> WorstInput:
    """Find the flat input that shows the grid best: the first right singular vector of `G[f] - mean G`.

    `gains` is (*phases, out, in), as `TransposedConvolution.gains()` gives them.

    >>> worst = worst_input(phase_gains(np.ones((1, 1, 3)), 2))
    >>> worst.grid, abs(float(worst.direction[0]))
    (0.5, 1.0)
    """
    phases = _phases(gains)
    deviation = (phases - phases.mean(axis=0)).reshape(-1, phases.shape[-1])
    _, strengths, directions = np.linalg.svd(deviation, full_matrices=False)
    return WorstInput(directions[0], float(strengths[0] / math.sqrt(len(phases))))
