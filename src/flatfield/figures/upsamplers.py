"""Upsamplers: the kernels whose spectra are compared, each with a mean gain of 1, stride 2, one dimension."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from flatfield.core import flat_weights, interpolation_kernel

_RANDOM = np.array([0.62, 0.95, 0.71, -0.28])  # a draw with a strong grid, written down so that pictures stay put


def upsampler_kernels() -> dict[str, npt.NDArray[np.float64]]:
    """Give the kernels by name, taps only.

    >>> {name: kernel.sum().round(6) for name, kernel in upsampler_kernels().items()}["nearest"]
    np.float64(2.0)
    """
    ones = np.ones(3)
    random = _RANDOM[None, None]
    kernels = {
        "nearest": interpolation_kernel(2, "nearest")[0],
        "linear": interpolation_kernel(2, "linear")[0],
        "cubic": interpolation_kernel(2, "cubic")[0],
        "deconvolution 3/2, equal weights": ones,
        "deconvolution 4/2, random weights": random[0, 0],
        "the same, made flat": flat_weights(random, 2)[0, 0],
    }
    return {name: 2.0 * kernel / kernel.sum() for name, kernel in kernels.items()}
