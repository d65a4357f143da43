"""Average pooling as the convolution it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flatfield.core.convolution import Convolution, Window


def average_pool(
    kernel: Sequence[int],
    *,
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int | Sequence[int]] = 0,
    channels: int = 1,
) -> Convolution:
    """Write average pooling (`count_include_pad=True`) as a grouped convolution with a box.

    Its gradient is flat iff the stride divides the kernel; max pooling has no such form.

    >>> pool = average_pool((3,), stride=2)
    >>> pool.adjoint().gains()[:, 0, 0].round(4)
    array([0.6667, 0.3333])
    """
    dims = len(kernel)
    window = Window(dims, stride=tuple(kernel) if stride is None else stride, padding=padding)
    box = np.full((channels, 1, *kernel), 1.0 / np.prod(kernel))
    return Convolution(box, window, groups=channels)
