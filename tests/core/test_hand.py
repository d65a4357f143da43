"""Numbers that can be checked with a pencil (design, section 3)."""

from __future__ import annotations

import numpy as np
import pytest

from flatfield.core import (
    Convolution,
    Interpolation,
    TransposedConvolution,
    Window,
    average_pool,
    interpolation_kernel,
    overlap,
    phase_gains,
    unevenness,
)

FILTER = np.array([[[1.0, 2.0, 3.0]]])


@pytest.mark.parametrize(
    ("kernel", "stride", "gains", "uneven"),
    [
        ((3,), 2, [2, 1], 0.3162),  # sqrt(1/10)
        ((3, 3), 2, [[4, 2], [2, 1]], 0.4359),  # sqrt(19/100)
        ((5,), 3, [2, 2, 1], 0.2722),  # sqrt(2/27)
        ((4,), 2, [2, 2], 0.0),
        ((2,), 2, [1, 1], 0.0),
        ((1,), 2, [1, 0], 0.7071),
        ((4, 3), (2, 3), [[2, 2, 2], [2, 2, 2]], 0.0),
    ],
)
def test_a_kernel_of_ones(kernel: tuple[int, ...], stride: int, gains: list[int], uneven: float) -> None:
    np.testing.assert_array_equal(overlap(kernel, stride), gains)
    found = phase_gains(np.ones((1, 1, *kernel)), stride)
    np.testing.assert_array_equal(found[..., 0, 0], gains)
    assert round(unevenness(found), 4) == uneven


@pytest.mark.parametrize(
    ("kernel", "stride", "dilation", "counts"),
    [(3, 2, 2, [3, 0]), (4, 2, 3, [2, 2]), (2, 4, 2, [1, 0, 1, 0]), (3, 3, 2, [1, 1, 1])],
)
def test_dilation_sends_taps_to_other_phases(kernel: int, stride: int, dilation: int, counts: list[int]) -> None:
    assert overlap((kernel,), stride, dilation).tolist() == counts


def test_bilinear_four_two_is_flat() -> None:
    taps, padding = interpolation_kernel(2, "linear")
    assert taps.tolist() == [0.25, 0.75, 0.75, 0.25]
    assert padding == 1
    assert unevenness(phase_gains(taps[None, None], 2)) == 0.0
    plane = Interpolation((2, 2), "linear").as_transposed()
    assert plane.weight.shape == (1, 1, 4, 4)
    assert unevenness(plane.gains()) == 0.0


@pytest.mark.parametrize(
    ("stride", "inputs", "row"),
    [
        (1, [1, 2, 3, 4, 5], [1, 4, 10, 16, 22, 22, 15]),
        (1, [1, 1, 1, 1, 1], [1, 3, 6, 6, 6, 5, 3]),
        (2, [1, 1, 1, 1, 1], [1, 2, 4, 2, 4, 2, 4, 2, 4, 2, 3]),
    ],
)
def test_the_filter_one_two_three_written(stride: int, inputs: list[int], row: list[int]) -> None:
    layer = TransposedConvolution(FILTER, Window(1, stride=stride))
    assert layer.output_size((5,)) == (len(row),)
    assert (layer.as_matrix((5,)) @ inputs).tolist() == row


def test_the_filter_one_two_three_read() -> None:
    layer = Convolution(FILTER, Window(1))
    assert (layer.as_matrix((7,)) @ [1, 2, 3, 4, 5, 6, 7]).tolist() == [14, 20, 26, 32, 38]


def test_the_gradient_of_average_pooling_is_even_when_the_stride_divides_the_kernel() -> None:
    assert average_pool((3, 3)).window.stride == (3, 3)
    assert unevenness(average_pool((4,), stride=2).adjoint().gains()) == 0.0
    assert round(unevenness(average_pool((3,), stride=2).adjoint().gains()), 4) == 0.3162
