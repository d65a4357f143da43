"""Interpolation against PyTorch, and folded into the convolution behind it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from flatfield.core import (
    Convolution,
    Interpolation,
    TransposedConvolution,
    Window,
    fold,
    interpolation_kernel,
    interpolation_matrix,
)

from .geometries import Draw, Geometry, geometries

Array = npt.NDArray[np.float64]
MODES = ["nearest", "nearest-exact", "linear", "cubic"]


def torch_matrix(inputs: int, outputs: int, mode: str, align_corners: bool | None) -> Array:
    """One axis of PyTorch's interpolation; cubic exists in the plane only, so the other axis has one row."""
    eye = torch.eye(inputs, dtype=torch.float64)
    if mode == "cubic":
        resized = F.interpolate(eye[:, None, None], (1, outputs), mode="bicubic", align_corners=align_corners)
    else:
        resized = F.interpolate(eye[:, None], outputs, mode=mode, align_corners=align_corners)
    return resized.reshape(inputs, outputs).T.numpy()


@given(st.integers(1, 12), st.integers(1, 30), st.sampled_from(MODES), st.booleans())
@settings(max_examples=300, deadline=None)
def test_one_axis_is_what_pytorch_does_at_any_two_sizes(inputs: int, outputs: int, mode: str, corners: bool) -> None:
    smooth = mode in ("linear", "cubic")
    truth = torch_matrix(inputs, outputs, mode, corners if smooth else None)
    found = interpolation_matrix(inputs, outputs, mode, align_corners=corners and smooth)
    np.testing.assert_allclose(found, truth, rtol=0, atol=1e-12, strict=True)
    np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-12)


@given(geometries(), st.sampled_from(MODES))
@settings(max_examples=60, deadline=None)
def test_every_axis_is_interpolated_alone(geometry: Geometry, mode: str) -> None:
    outputs = tuple(n * s for n, s in zip(geometry.size, geometry.stride, strict=True))
    field = np.random.default_rng(geometry.seed).standard_normal((2, *geometry.size))
    expected = field
    for axis, (n, m) in enumerate(zip(geometry.size, outputs, strict=True), start=1):
        step = interpolation_matrix(n, m, mode)
        expected = np.moveaxis(np.tensordot(step, expected, axes=([1], [axis])), 0, axis)
    found = Interpolation(geometry.stride, mode).as_matrix(geometry.size, channels=2) @ field.ravel()
    np.testing.assert_allclose(found.reshape(expected.shape), expected, atol=1e-12)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("scale", [1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 49])
def test_a_kernel_adds_up_to_one_in_every_phase_and_is_symmetric(scale: int, mode: str) -> None:
    taps, padding = interpolation_kernel(scale, mode)
    assert taps == pytest.approx(taps[::-1], abs=1e-15)
    assert [taps[f::scale].sum() for f in range(scale)] == pytest.approx([1.0] * scale)
    # the taps that are not 0 lie strictly within the reach, and as many before the pixel as behind it
    reach = {"linear": 1, "cubic": 2}.get(mode, 0.5)
    assert len(taps) == (scale if reach == 0.5 or scale == 1 else 2 * reach * scale - scale % 2)
    assert 2 * padding == len(taps) - scale


def interior(size: tuple[int, ...], scale: tuple[int, ...], border: int) -> npt.NDArray[np.intp]:
    """The outputs that lie `border` inputs or more away from every edge."""
    inside = np.zeros([n * s for n, s in zip(size, scale, strict=True)], dtype=bool)
    inside[tuple(slice(border * s, (n - border) * s) for n, s in zip(size, scale, strict=True))] = True
    places = np.flatnonzero(inside)
    assert len(places) > 0
    return places


@st.composite
def interpolators(draw: Draw) -> tuple[Interpolation, tuple[int, ...]]:
    """An interpolation and an input with an interior 4 inputs away from the edges."""
    dims = draw(st.integers(1, 2))
    scale = draw(st.tuples(*[st.integers(1, 4)] * dims))
    size = draw(st.tuples(*[st.integers(9, 10 + 4 * (dims == 1))] * dims))
    return Interpolation(scale, draw(st.sampled_from(MODES))), size


@given(interpolators())
@settings(max_examples=60, deadline=None)
def test_the_transposed_convolution_is_the_interpolation_away_from_the_edges(
    drawn: tuple[Interpolation, tuple[int, ...]],
) -> None:
    interpolation, size = drawn
    layer = interpolation.as_transposed(channels=1)
    assert layer.output_size(size) == tuple(n * s for n, s in zip(size, interpolation.scale, strict=True))
    places = interior(size, interpolation.scale, 2)
    found, expected = layer.as_matrix(size), interpolation.as_matrix(size)
    np.testing.assert_allclose(found[places], expected[places], rtol=0, atol=1e-12)


def test_the_transposed_convolution_keeps_channels_apart() -> None:
    interpolation = Interpolation((2, 3), "linear")
    alone = interpolation.as_transposed(channels=1).as_matrix((3, 2))
    both = interpolation.as_transposed(channels=2).as_matrix((3, 2))
    np.testing.assert_array_equal(both, np.kron(np.eye(2), alone))


def folded(interpolation: Interpolation, weight: Array, padding: list[tuple[int, int]]) -> TransposedConvolution:
    """Interpolation, padding, convolution as one layer: where the box begins is the sum of where both do."""
    first = [interpolation_kernel(s, interpolation.mode)[1] for s in interpolation.scale]
    kernel = fold(interpolation, weight)
    pairs = []
    for axis, s in enumerate(interpolation.scale):
        k, (before, after) = weight.shape[2 + axis], padding[axis]
        start = first[axis] + k - 1 - before
        # the output has n s + before + after - (k - 1) samples
        pairs.append((start, kernel.shape[2 + axis] - s - start - (before + after - (k - 1))))
    return TransposedConvolution(kernel, Window(len(pairs), stride=interpolation.scale, padding=pairs))


@given(interpolators(), st.integers(1, 4), st.integers(0, 2), st.integers(0, 2), st.integers(0, 2**16))
@settings(max_examples=60, deadline=None)
def test_folding_is_interpolation_then_convolution(
    drawn: tuple[Interpolation, tuple[int, ...]], kernel: int, before: int, after: int, seed: int
) -> None:
    interpolation, size = drawn
    dims = len(size)
    weight = np.random.default_rng(seed).standard_normal((1, 2, *[kernel] * dims))
    padding = [(before, after)] * dims
    convolution = Convolution(weight, Window(dims, padding=padding))
    large = tuple(n * s for n, s in zip(size, interpolation.scale, strict=True))
    layer = folded(interpolation, weight, padding)
    assert layer.output_size(size) == convolution.output_size(large)

    # one random field tells a matrix as well as all columns do, in less memory
    field = np.random.default_rng(seed + 1).standard_normal(2 * int(np.prod(size)))
    two_steps = convolution.as_matrix(large) @ (interpolation.as_matrix(size, channels=2) @ field)
    one_step = layer.as_matrix(size) @ field
    if interpolation.mode.startswith("nearest"):
        # what lies outside is 0 for both, so the edges agree too
        np.testing.assert_allclose(one_step, two_steps, rtol=0, atol=1e-11)
    shape = layer.output_size(size)
    inside = tuple(slice(4 * s, 5 * s) for s in interpolation.scale)
    np.testing.assert_allclose(one_step.reshape(shape)[inside], two_steps.reshape(shape)[inside], rtol=0, atol=1e-11)


@given(geometries(), st.sampled_from(MODES))
@settings(max_examples=60, deadline=None)
def test_folding_is_exact_on_a_torus(geometry: Geometry, mode: str) -> None:
    interpolation = Interpolation(geometry.stride, mode)
    weight = geometry.weight(geometry.outs, geometry.ins)
    large = tuple(n * s for n, s in zip(geometry.size, geometry.stride, strict=True))
    convolve = Convolution(weight, Window(geometry.dims, padding=geometry.padding)).as_matrix(large, torus=True)
    enlarge = interpolation.as_transposed(geometry.ins).as_matrix(geometry.size, torus=True)
    one_step = folded(interpolation, weight, list(geometry.padding)).as_matrix(geometry.size, torus=True)
    np.testing.assert_allclose(one_step, convolve @ enlarge, rtol=0, atol=1e-11)


def test_folding_adds_the_lengths() -> None:
    kernel = fold(Interpolation((2, 2), "nearest"), np.ones((5, 7, 3, 3)))
    assert kernel.shape == (7, 5, 4, 4)
    np.testing.assert_array_equal(kernel[0, 0, 0], [1, 2, 2, 1])
