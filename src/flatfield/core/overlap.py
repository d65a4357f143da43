"""Overlap: how many inputs write to each phase of the output of a transposed convolution."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np
import numpy.typing as npt

from flatfield.core.taps import per_axis, tap_positions


def overlap(
    kernel: Sequence[int], stride: int | Sequence[int], dilation: int | Sequence[int] = 1
) -> npt.NDArray[np.int64]:
    """Count the inputs that write to an output, for every phase of the stride.

    Returns integers in an array of shape `stride`; the counts of the axes multiply, so a 2:1 in one
    dimension is a 4:1 in two (Odena, Dumoulin & Olah 2016, "Overlap and learning").

    >>> overlap((3,), 2)
    array([2, 1])
    >>> overlap((3, 3), 2)
    array([[4, 2],
           [2, 1]])
    >>> overlap((4, 4), 2).tolist()
    [[4, 4], [4, 4]]
    """
    dims = len(kernel)
    strides, dilations = per_axis(stride, dims, "stride"), per_axis(dilation, dims, "dilation")
    counts = [
        np.bincount(tap_positions(k, d) % s, minlength=s) for k, s, d in zip(kernel, strides, dilations, strict=True)
    ]
    return reduce(np.multiply.outer, counts).astype(np.int64)
