"""What core can't answer it refuses, naming the value."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from flatfield.core import (
    Convolution,
    Interpolation,
    SubPixelConvolution,
    TransposedConvolution,
    Window,
    flat_weights,
    fold,
    image_curve,
    interpolation_kernel,
    interpolation_matrix,
    overlap,
    phase_gains,
    shuffle_gains,
    spectral_images,
    ungroup,
)

LINE, PLANE = np.ones((4, 1, 3)), np.ones((4, 1, 3, 3))

REFUSALS: list[tuple[Callable[[], object], str]] = [
    (lambda: Window(2, stride=(1, 2, 3)), r"stride \(1, 2, 3\) has 3 numbers; a 2-d layer takes 2"),
    (lambda: Window(2, stride=(1, 0)), r"stride \(1, 0\) must be at least 1"),
    (lambda: Window(1, dilation=0), r"dilation \(0,\) must be at least 1"),
    (lambda: Window(2, padding=(1,)), r"padding \(1,\) has 1 entries; a 2-d layer takes 2"),
    (lambda: overlap((3,), 0), r"stride \(0,\) must be at least 1"),
    (lambda: phase_gains(PLANE, (2,)), r"stride \(2,\) has 1 numbers; a 2-d layer takes 2"),
    (lambda: phase_gains(LINE, 2, -1), r"dilation \(-1,\) must be at least 1"),
    (lambda: ungroup(LINE, 3), r"groups=3 can't part 4 channels"),
    (lambda: ungroup(LINE, 0), r"groups=0 can't part 4 channels"),
    (
        lambda: TransposedConvolution(LINE, Window(1), (1, 1)).output_size((2,)),
        r"output_padding \(1, 1\) has 2 numbers",
    ),
    (
        lambda: TransposedConvolution(LINE, Window(1), (-1,)).output_size((2,)),
        r"output_padding \(-1,\) must be at least 0",
    ),
    (
        lambda: TransposedConvolution(LINE, Window(1, padding=2)).as_matrix((1,)),
        r"kernel \(3,\) .*padding=\(\(2, 2\),\).* leave nothing of an input of size \(1,\)",
    ),
    (
        lambda: Convolution(PLANE, Window(2)).as_matrix((5, 2)),
        r"kernel \(3, 3\) .* leave nothing of an input of size \(5, 2\)",
    ),
    (
        lambda: Convolution(LINE, Window(1, stride=2)).as_matrix((5,), torus=True),
        r"torus of \(5,\) can't be walked in steps of \(2,\)",
    ),
    (lambda: shuffle_gains(LINE, (3,)), r"4 channels can't be shuffled by \(3,\): not a multiple of 3"),
    (lambda: SubPixelConvolution(LINE, (3,), Window(1)), r"4 channels can't be shuffled by \(3,\)"),
    (lambda: SubPixelConvolution(LINE, (2,), Window(1, stride=2)), r"steps of 1, not \(2,\)"),
    (lambda: interpolation_kernel(2, "area"), r"mode 'area' is unknown: take one of nearest, .*cubic"),
    (lambda: interpolation_kernel(0, "nearest"), r"scale 0 must be at least 1"),
    (lambda: interpolation_matrix(2, 4, "lanczos"), r"mode 'lanczos' is unknown"),
    (lambda: Interpolation((2,), "bilinear").as_matrix((3,)), r"mode 'bilinear' is unknown"),
    (lambda: fold(Interpolation((2,), "nearest"), PLANE), r"scale \(2,\) has 1 numbers; a 2-d layer takes 2"),
    (lambda: flat_weights(LINE, 2, order=0), r"order 0 is not a flatness order"),
    (lambda: flat_weights(LINE, 2, at="planes"), r"at='planes' is unknown"),
    (lambda: flat_weights(LINE, (2, 2)), r"stride \(2, 2\) has 2 numbers; a 1-d layer takes 1"),
    (lambda: spectral_images(LINE, 2, [0.0, 1.0]), r"frequency \(0.0, 1.0\) has 2 numbers; a 1-d layer takes 1"),
    (lambda: image_curve(PLANE, 2, axis=2), r"axis 2 is none of the 2 axes"),
]


@pytest.mark.parametrize(("ask", "words"), REFUSALS, ids=[words for _, words in REFUSALS])
def test_a_refusal_names_the_value(ask: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ask()
