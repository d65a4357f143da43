"""Least squares: the nearest resize-convolution to a transposed convolution, sizes included; numpy alone.

Repeating every pixel `s` times and convolving with `v` is a transposed convolution with `v` convolved with a box of
`s`. So the kernel of the resize-convolution is the `v` that, convolved with that box, comes nearest to `w` (Frobenius);
with `k' = K - s + 1` taps, `K = d (k - 1) + 1`, both reach equally far. A kernel shorter than its stride gets one tap:
the gaps that it left are filled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flatfield.core.taps import Ints, Pairs

Real = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Geometry:
    """A transposed convolution (`taps`, stride, padding ...) as the resize-convolution that takes its place sees it."""

    taps: Ints
    stride: Ints
    padding: Ints
    output_padding: Ints
    dilation: Ints
    groups: int = 1

    @property
    def reach(self) -> Ints:
        """Output positions that one input position writes to."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.taps, self.dilation, strict=True))

    @property
    def kernel(self) -> Ints:
        """Kernel of the resize-convolution.

        >>> Geometry((4, 3, 1), (2, 2, 2), (1, 1, 0), (0, 1, 0), (1, 1, 1)).kernel
        (3, 2, 1)
        """
        return tuple(max(1, reach - s + 1) for reach, s in zip(self.reach, self.stride, strict=True))

    @property
    def offset(self) -> Ints:
        """Where in a box of `stride` a kernel shorter than it stands: in the middle."""
        return tuple(max(0, s - reach) // 2 for reach, s in zip(self.reach, self.stride, strict=True))

    def output_size(self, size: Ints, extra: Ints) -> Ints:
        """Sizes behind the transposed convolution with an output padding of `extra`."""
        return tuple(
            (n - 1) * s - 2 * p + reach + e
            for n, s, p, reach, e in zip(size, self.stride, self.padding, self.reach, extra, strict=True)
        )

    def pads(self, extra: Ints) -> Pairs:
        """Padding (before, after) of the repeated pixels; negative is a crop.

        The full result, padded by `k' - 1` in front, begins where the transposed convolution without padding does; its
        padding takes `p` off. Behind, what is left: `out = n s + before + after - k' + 1`.
        """
        found = []
        for s, p, k, reach, o, e in zip(
            self.stride, self.padding, self.kernel, self.reach, self.offset, extra, strict=True
        ):
            before = k - 1 - p - o
            found.append((before, reach + e - s - 2 * p - before + k - 1))
        return tuple(found)


def fit(weight: npt.NDArray[np.floating], geometry: Geometry) -> tuple[Real, float]:
    """Fit the kernel of the nearest resize-convolution; gives (a, b, *kernel), and what is left, relative to `weight`.

    `weight` is (a, b, *taps) as the transposed convolution has it.

    >>> fitted, left = fit(np.array([[[1.0, 3.0, 5.0, 3.0]]]), Geometry((4,), (2,), (1,), (0,), (1,)))
    >>> fitted.round(3).tolist(), round(left, 3)
    ([[[1.0, 2.0, 3.0]]], 0.0)
    """
    wide = _spread(np.asarray(weight, dtype=np.float64), geometry)
    boxes = [_box(k, s) for k, s in zip(geometry.kernel, geometry.stride, strict=True)]
    fitted: Real = wide
    for axis, box in enumerate(boxes):
        fitted = _along(np.linalg.pinv(box), fitted, axis + 2)
    again: Real = fitted
    for axis, box in enumerate(boxes):
        again = _along(box, again, axis + 2)
    size = float(np.linalg.norm(wide))
    return fitted, float(np.linalg.norm(again - wide)) / size if size > 0 else 0.0


def _spread(weight: Real, geometry: Geometry) -> Real:
    """Lay the taps out at their dilation, in a window of at least the stride."""
    window = [max(reach, s) for reach, s in zip(geometry.reach, geometry.stride, strict=True)]
    wide = np.zeros((*weight.shape[:2], *window))
    places = [
        slice(o, o + reach, d) for o, reach, d in zip(geometry.offset, geometry.reach, geometry.dilation, strict=True)
    ]
    wide[(slice(None), slice(None), *places)] = weight
    return wide


def _box(kernel: int, stride: int) -> Real:
    """Convolution with a box of `stride`, as a matrix (kernel + stride - 1, kernel)."""
    rows, columns = np.indices((kernel + stride - 1, kernel))
    return ((rows - columns >= 0) & (rows - columns < stride)).astype(np.float64)


def _along(matrix: npt.NDArray[np.floating], array: Real, axis: int) -> Real:
    return np.asarray(np.moveaxis(np.tensordot(matrix, array, (1, axis)), 0, axis))
