"""Grid lines: the spectrum of a pattern of phases."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def grid_lines(levels: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Give the amplitude of every line that one period of a grid has, relative to its constant.

    `levels` is (*stride), one number a phase; entry q stands at the output frequency `2 pi q / stride`. Entry 0,
    the constant, is left at 0, since it is no grid. A pattern whose mean is 0 is measured against its rms.

    >>> grid_lines(np.array([2.0, 1.0])).round(4)
    array([0.    , 0.3333])
    """
    pattern = np.asarray(levels, dtype=np.float64)
    pattern = pattern / (float(np.abs(pattern).max(initial=0.0)) or 1.0)  # squares of very large numbers would overflow
    amplitudes = np.abs(np.fft.fftn(pattern)) / pattern.size
    constant = float(amplitudes.flat[0])
    rms = float(np.sqrt(np.mean(np.square(pattern))))
    amplitudes.flat[0] = 0.0
    unit = constant if constant > 1e-9 * rms else rms
    return np.asarray(amplitudes / unit if unit > 0.0 else amplitudes, dtype=np.float64)
