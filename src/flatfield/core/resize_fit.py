"""The resize-convolution nearest to a transposed convolution: what a box can say of a free kernel, by least squares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flatfield.core.taps import Pairs, per_axis, per_axis_pairs


@dataclass(frozen=True)
class ResizeFit:
    """A convolution behind nearest interpolation, and how much of the transposed one it misses.

    `kernel` is (in, out / groups, *kernel) as seen from the input (a transposed convolution's; a convolution's is
    flipped), `padding` what the convolution pads the enlarged input by, negative where that is cut; `residual` is the
    Frobenius norm of what is missed over that of the weights, in [0, 1].
    """

    kernel: npt.NDArray[np.float64]
    padding: Pairs
    residual: float


def fit_resize(
    weight: npt.NDArray[np.floating],
    stride: int | Sequence[int],
    dilation: int | Sequence[int] = 1,
    *,
    padding: int | Sequence[int | Sequence[int]] = 0,
    output_padding: int | Sequence[int] = 0,
) -> ResizeFit:
    """Fit nearest interpolation by `stride` and a convolution to a transposed convolution, of the same output size.

    `weight` is (a, b, *kernel). A k-kernel behind a box of s reaches k + s - 1 outputs, so a transposed kernel that
    reaches K becomes one of max(1, K - s + 1) taps: the projection on the kernels that have the box as a factor, axis
    by axis. Output sizes agree with padding `k - 1 - p` in front and `K - s + o - p` behind.

    >>> fit = fit_resize(np.array([[[1.0, 2.0, 2.0, 1.0]]]), 2, padding=1)
    >>> fit.kernel[0, 0].round(4).tolist(), fit.padding, round(fit.residual, 4)
    ([1.0, 1.0, 1.0], ((1, 1),), 0.0)
    """
    dims = weight.ndim - 2
    rows = zip(
        per_axis(stride, dims, "stride"), per_axis(dilation, dims, "dilation"), per_axis_pairs(padding, dims, "padding"),
        per_axis(output_padding, dims, "output_padding", least=0), strict=True,
    )  # fmt: skip
    kernel = told = np.asarray(weight, dtype=np.float64)
    pads = []
    for axis, (s, d, (before, after), extra) in enumerate(rows, start=2):
        reach = d * (weight.shape[axis] - 1) + 1
        taps = max(1, reach - s + 1)
        places = np.arange(taps + s - 1)[:, None] - np.arange(taps)
        box = ((places >= 0) & (places < s)).astype(np.float64)
        # where a dilation puts no tap, or the box reaches beyond the kernel, the weight is 0
        spread = np.zeros((taps + s - 1, weight.shape[axis]))
        spread[d * np.arange(weight.shape[axis]), np.arange(weight.shape[axis])] = 1.0
        fit = np.linalg.pinv(box) @ spread
        kernel = np.moveaxis(np.tensordot(fit, kernel, axes=([1], [axis])), 0, axis)
        told = np.moveaxis(np.tensordot(box @ fit, told, axes=([1], [axis])), 0, axis)
        pads.append((taps - 1 - before, reach - s + extra - after))
    # a projection: what it keeps and what it misses are orthogonal
    whole = float(np.sum(np.asarray(weight, dtype=np.float64) ** 2))
    missed = max(0.0, whole - float(np.sum(told**2)))
    return ResizeFit(kernel, tuple(pads), float(np.sqrt(missed / whole)) if whole else 0.0)
