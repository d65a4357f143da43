"""Flat weights: flat, nearest, and the sets of functions that the design says they are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flatfield.core import (
    Interpolation,
    TransposedConvolution,
    Window,
    flat_projection,
    flat_weights,
    fold,
    overlap,
    phase_gains,
    tap_positions,
    unevenness,
)

from .geometries import Geometry, geometries

Array = npt.NDArray[np.float64]
PLACES = st.sampled_from(["points", "lines"])


def closed_form(weight: Array, stride: tuple[int, ...], dilation: tuple[int, ...]) -> Array:
    """`G* = (sum of G[f] / n[f]) / (sum of 1 / n[f])`, and `(G* - G[f]) / n[f]` added to every tap of phase f.

    A phase that no tap reaches has gain 0 whatever the weights, so 0 is what the others have to be.
    """
    counts = overlap(weight.shape[2:], stride, dilation)
    gains = phase_gains(weight, stride, dilation)
    if counts.min() == 0:
        goal = np.zeros(gains.shape[-2:])
    else:
        goal = sum(gains[f] / counts[f] for f in np.ndindex(*stride)) / (1.0 / counts).sum()
    flat = weight.copy()
    for tap in np.ndindex(*weight.shape[2:]):
        phase = tuple(t * d % s for t, d, s in zip(tap, dilation, stride, strict=True))
        flat[(..., *tap)] += (goal - gains[phase]) / counts[phase]
    return flat


def spread_of_gains(weight: Array, geometry: Geometry) -> float:
    gains = phase_gains(weight, geometry.stride, geometry.dilation)
    return float(np.ptp(gains.reshape(-1, *gains.shape[-2:]), axis=0).max())


@given(geometries())
@settings(max_examples=100, deadline=None)
def test_order_one_at_points_is_the_closed_form(geometry: Geometry) -> None:
    weight = geometry.weight(geometry.ins, geometry.outs)
    found = flat_weights(weight, geometry.stride, geometry.dilation)
    np.testing.assert_allclose(found, closed_form(weight, geometry.stride, geometry.dilation), rtol=0, atol=1e-12)


@given(geometries(), st.integers(1, 3), PLACES)
@settings(max_examples=100, deadline=None)
def test_flat_weights_are_flat_and_stay_as_they_are(geometry: Geometry, order: int, at: str) -> None:
    weight = geometry.weight(geometry.ins, geometry.outs)
    flat = flat_weights(weight, geometry.stride, geometry.dilation, order=order, at=at)
    assert flat.shape == weight.shape
    assert spread_of_gains(flat, geometry) < 1e-12
    # a few kernels are all but gone: the unevenness of what is left is rounding over rounding
    if np.linalg.norm(phase_gains(flat, geometry.stride, geometry.dilation)) > 1e-2 or not flat.any():
        assert unevenness(phase_gains(flat, geometry.stride, geometry.dilation)) < 1e-12
    again = flat_weights(flat, geometry.stride, geometry.dilation, order=order, at=at)
    np.testing.assert_allclose(again, flat, rtol=0, atol=1e-12)


def box_kernel(geometry: Geometry, times: int) -> Array:
    """A kernel that is flat on lines to order `times`: boxes of the stride, convolved with anything that fits."""
    random = np.random.default_rng(geometry.seed + 1)
    size = [k - times * (s - 1) for k, s in zip(geometry.kernel, geometry.stride, strict=True)]
    kernel = random.standard_normal((geometry.ins, geometry.outs, *size))
    for axis, s in enumerate(geometry.stride):
        for _ in range(times):
            kernel = np.apply_along_axis(np.convolve, 2 + axis, kernel, np.ones(s))
    return kernel


def roomy(geometry: Geometry, times: int) -> Geometry:
    """The same without dilation and with a kernel that `times` boxes fit in."""
    kernel = tuple(k + times * (s - 1) for k, s in zip(geometry.kernel, geometry.stride, strict=True))
    return Geometry(**{**vars(geometry), "kernel": kernel, "dilation": (1,) * geometry.dims})


@given(geometries(), PLACES, st.integers(1, 2))
@settings(max_examples=60, deadline=None)
def test_no_flat_kernel_is_nearer(geometry: Geometry, at: str, order: int) -> None:
    geometry = roomy(geometry, order)
    weight, other = geometry.weight(geometry.ins, geometry.outs), box_kernel(geometry, order)
    assert spread_of_gains(other, geometry) < 1e-12
    np.testing.assert_allclose(
        flat_weights(other, geometry.stride, order=order, at=at), other, rtol=0, atol=1e-11 * np.abs(other).max()
    )
    nearest = flat_weights(weight, geometry.stride, order=order, at=at)
    assert np.vdot(weight - nearest, other) == pytest.approx(0.0, abs=1e-10 * np.linalg.norm(other))
    assert np.linalg.norm(weight - nearest) <= np.linalg.norm(weight - other) + 1e-12


@given(geometries(dims=2), st.integers(0, 2**16))
@settings(max_examples=50, deadline=None)
def test_no_kernel_flat_at_points_is_nearer(geometry: Geometry, seed: int) -> None:
    weight = geometry.weight(geometry.ins, geometry.outs)
    other = closed_form(np.random.default_rng(seed).standard_normal(weight.shape), geometry.stride, geometry.dilation)
    nearest = flat_weights(weight, geometry.stride, geometry.dilation)
    assert np.vdot(weight - nearest, other) == pytest.approx(0.0, abs=1e-10)


@given(geometries(), PLACES)
@settings(max_examples=40, deadline=None)
def test_order_two_keeps_a_ramp_a_ramp(geometry: Geometry, at: str) -> None:
    geometry = roomy(geometry, 2)
    weight = flat_weights(geometry.weight(1, 1), geometry.stride, order=2, at=at)
    layer = TransposedConvolution(weight, Window(geometry.dims, stride=geometry.stride))
    # outputs that every tap can reach: two periods of them
    reach = [-(-k // s) for k, s in zip(geometry.kernel, geometry.stride, strict=True)]
    size = tuple(r + 1 for r in reach)
    slopes = np.random.default_rng(geometry.seed).standard_normal(geometry.dims)
    ramp = sum(slope * axis for slope, axis in zip(slopes, np.indices(size), strict=True))
    answer = (layer.as_matrix(size) @ ramp.ravel()).reshape(layer.output_size(size))
    inside = tuple(slice((r - 1) * s, (r + 1) * s) for r, s in zip(reach, geometry.stride, strict=True))
    answer = answer[inside]
    gain = phase_gains(weight, geometry.stride)[(0,) * geometry.dims].item()
    for axis, (slope, s) in enumerate(zip(slopes, geometry.stride, strict=True)):
        np.testing.assert_allclose(np.diff(answer, axis=axis), gain * slope / s, rtol=0, atol=1e-10)


def test_order_one_does_not_keep_a_ramp() -> None:
    layer = TransposedConvolution(np.ones((1, 1, 2)), Window(1, stride=2))
    np.testing.assert_allclose(flat_weights(layer.weight, 2), layer.weight, atol=1e-15)
    assert (layer.as_matrix((4,)) @ np.arange(4)).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


def test_four_two_on_lines_is_nearest_resize_convolution_with_three_taps() -> None:
    """Both ways: folding changes nothing of the one set, and the two have the same nine dimensions."""
    positions = tap_positions(4)
    projection = flat_projection([positions, positions], (2, 2), at="lines")
    assert np.linalg.matrix_rank(projection) == 9
    units = np.eye(9).reshape(9, 1, 3, 3)
    kernels = fold(Interpolation((2, 2), "nearest"), units).reshape(9, 16)
    assert np.linalg.matrix_rank(kernels) == 9
    np.testing.assert_allclose(kernels @ projection, kernels, rtol=0, atol=1e-12)
    # the projection on the span of the folded kernels, found without any moment
    np.testing.assert_allclose(np.linalg.pinv(kernels) @ kernels, projection, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("kernel", "stride", "at", "order", "free"),
    [
        ((4, 4), (2, 2), "points", 1, 13),
        ((4, 4), (2, 2), "lines", 1, 9),
        ((4, 4), (2, 2), "points", 2, 7),
        ((4, 4), (2, 2), "lines", 2, 4),
        ((4,), (2,), "points", 1, 3),
        ((4,), (2,), "points", 2, 2),
        ((3, 5), (2, 3), "points", 1, 10),
        ((3, 5), (2, 3), "lines", 1, 6),
        ((4, 4, 4), (2, 2, 2), "points", 1, 57),
        ((4, 4, 4), (2, 2, 2), "lines", 1, 27),
        ((2,), (3,), "points", 1, 0),
        ((3, 3), (1, 1), "lines", 1, 9),
    ],
)
def test_how_many_weights_are_free(
    kernel: tuple[int, ...], stride: tuple[int, ...], at: str, order: int, free: int
) -> None:
    """Points lose (phases - 1) per moment; lines leave the taps of the kernel that the boxes are folded with."""
    projection = flat_projection([tap_positions(k) for k in kernel], stride, order=order, at=at)
    np.testing.assert_allclose(projection, projection.T, rtol=0, atol=1e-15)
    np.testing.assert_allclose(projection @ projection, projection, rtol=0, atol=1e-12)
    assert np.trace(projection) == pytest.approx(free, abs=1e-12)


@given(geometries(dims=1), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_a_line_has_nothing_but_points(geometry: Geometry, order: int) -> None:
    taps = [tap_positions(k, d) for k, d in zip(geometry.kernel, geometry.dilation, strict=True)]
    points, lines = (flat_projection(taps, geometry.stride, order=order, at=at) for at in ("points", "lines"))
    np.testing.assert_allclose(points, lines, rtol=0, atol=1e-12)


@given(geometries(dims=2), st.integers(1, 2))
@settings(max_examples=60, deadline=None)
def test_lines_are_among_the_points_and_every_order_among_the_one_below(geometry: Geometry, order: int) -> None:
    weight = geometry.weight(geometry.ins, geometry.outs)
    lines, higher = (
        flat_weights(weight, geometry.stride, geometry.dilation, order=order, at="lines"),
        flat_weights(weight, geometry.stride, geometry.dilation, order=order + 1),
    )
    for flat in (lines, higher):
        again = flat_weights(flat, geometry.stride, geometry.dilation, order=order)
        np.testing.assert_allclose(again, flat, rtol=0, atol=1e-11)


@pytest.mark.parametrize("kernel", [1, 2, 3])
def test_a_kernel_shorter_than_its_stride_has_no_flat_weights_but_zero(kernel: int) -> None:
    weight = np.random.default_rng(0).standard_normal((2, 2, kernel))
    np.testing.assert_array_equal(flat_weights(weight, 4), np.zeros_like(weight))
