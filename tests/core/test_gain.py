"""Gains are what the dense matrix makes of a flat input, phase by phase; unevenness and the worst input follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from flatfield.core import (
    FLAT,
    Convolution,
    Interpolation,
    SubPixelConvolution,
    Window,
    decibels,
    overlap,
    unevenness,
    worst_input,
)

from . import naive, peer
from .geometries import Draw, Geometry, geometries

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """The gains an operator claims, and the dense matrix of its torus: (out, *size * stride, in, *size)."""

    gains: Array
    torus: Array
    before: tuple[int, ...]


@st.composite
def transposed_convolutions(draw: Draw) -> Case:
    geometry = draw(geometries())
    layer = geometry.transposed()
    outputs = tuple(n * s for n, s in zip(geometry.size, geometry.stride, strict=True))
    torus = naive.transposed(
        layer.weight,
        inputs=geometry.size,
        outputs=outputs,
        stride=geometry.stride,
        before=geometry.before,
        dilation=geometry.dilation,
        groups=geometry.groups,
        torus=True,
    )
    shape = (geometry.groups * geometry.outs, *outputs, geometry.groups * geometry.ins, *geometry.size)
    return Case(layer.gains(), torus.reshape(shape), geometry.before)


@st.composite
def convolution_gradients(draw: Draw) -> Case:
    geometry = draw(geometries())
    layer = geometry.convolution()
    inputs = tuple(n * s for n, s in zip(geometry.size, geometry.stride, strict=True))
    torus = naive.convolution(
        layer.weight,
        inputs=inputs,
        outputs=geometry.size,
        stride=geometry.stride,
        before=geometry.before,
        dilation=geometry.dilation,
        groups=geometry.groups,
        torus=True,
    ).T
    shape = (geometry.groups * geometry.ins, *inputs, geometry.groups * geometry.outs, *geometry.size)
    return Case(layer.adjoint().gains(), torus.reshape(shape), geometry.before)


@st.composite
def sub_pixel_convolutions(draw: Draw) -> Case:
    geometry = draw(geometries())
    scale, size, dims = geometry.stride, geometry.size, geometry.dims
    weight = geometry.weight(geometry.outs * int(np.prod(scale)), geometry.ins)
    torus = peer.convolution(Convolution(weight, Window(dims, dilation=geometry.dilation)), size, torus=True)
    shuffled = np.stack([naive.shuffle(column.reshape(-1, *size), scale) for column in torus.T], axis=-1)
    layer = SubPixelConvolution(weight, scale, Window(dims, dilation=geometry.dilation))
    folded = layer.as_transposed()
    before = np.array([before for before, _ in folded.window.padding])
    # the two agree phase by phase only if the folded padding shifts no phase
    assert not (before % scale).any()
    np.testing.assert_allclose(folded.gains(), layer.gains(), atol=1e-12)
    return Case(layer.gains(), shuffled.reshape(*shuffled.shape[:-1], geometry.ins, *size), (0,) * dims)


@st.composite
def interpolations(draw: Draw) -> Case:
    """Interpolation repeats its borders, so a flat input needs no torus: it comes out as it went in."""
    geometry = draw(geometries())
    mode = draw(st.sampled_from(["nearest", "linear", "cubic"]))
    interpolation = Interpolation(geometry.stride, mode)
    outputs = tuple(n * s for n, s in zip(geometry.size, geometry.stride, strict=True))
    dense = interpolation.as_matrix(geometry.size, channels=2).reshape(2, *outputs, 2, *geometry.size)
    return Case(interpolation.as_transposed(2).gains(), dense, (0,) * geometry.dims)


OPERATORS = [transposed_convolutions, convolution_gradients, sub_pixel_convolutions, interpolations]


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.__name__)
@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_gains_are_the_answer_of_every_output_to_a_flat_input(
    operator: Callable[[], st.SearchStrategy[Case]], data: st.DataObject
) -> None:
    case = data.draw(operator())
    dims = len(case.before)
    stride, outputs = case.gains.shape[:dims], case.torus.shape[1 : 1 + dims]
    # a flat input in channel i: the sum over the places of its columns
    answer = case.torus.sum(axis=tuple(range(2 + dims, 2 + 2 * dims)))
    for m in np.ndindex(*outputs):
        phase = tuple((m[a] + case.before[a]) % stride[a] for a in range(dims))
        np.testing.assert_allclose(answer[(slice(None), *m)], case.gains[phase], rtol=0, atol=1e-12)


@given(geometries())
@settings(max_examples=100, deadline=None)
def test_overlap_counts_the_inputs_that_write_to_an_output(geometry: Geometry) -> None:
    n = max(k * d for k, d in zip(geometry.kernel, geometry.dilation, strict=True))
    counts = overlap(geometry.kernel, geometry.stride, geometry.dilation)
    assert counts.shape == geometry.stride
    assert counts.dtype == np.int64
    for axis in range(geometry.dims):
        k, s, d = geometry.kernel[axis], geometry.stride[axis], geometry.dilation[axis]
        # one axis, long enough that the middle sees every tap
        middle = [n * s + f for f in range(s)]
        writers = [sum((m - s * i) in range(0, k * d, d) for i in range(2 * n + 1)) for m in middle]
        alone = overlap((k,), s, d)
        np.testing.assert_array_equal(alone, writers)
        counts = np.tensordot(counts, np.ones(s, dtype=np.int64), axes=([0], [0]))
    # the counts of all phases together are the taps, each of which belongs to one phase
    assert counts == np.prod(geometry.kernel)


@given(geometries())
@settings(max_examples=50, deadline=None)
def test_overlap_is_the_gain_of_a_kernel_of_ones(geometry: Geometry) -> None:
    ones = np.ones((1, 1, *geometry.kernel))
    outputs = tuple(n * s for n, s in zip(geometry.size, geometry.stride, strict=True))
    dense = naive.transposed(
        ones,
        inputs=geometry.size,
        outputs=outputs,
        stride=geometry.stride,
        before=(0,) * geometry.dims,
        dilation=geometry.dilation,
        groups=1,
        torus=True,
    )
    written = dense.sum(axis=1).reshape(outputs)[tuple(slice(0, s) for s in geometry.stride)]
    np.testing.assert_array_equal(overlap(geometry.kernel, geometry.stride, geometry.dilation), written)


numbers = st.floats(-8, 8).map(lambda number: round(number, 3))
phase_lists = st.tuples(st.integers(1, 9), st.integers(1, 3), st.integers(1, 3)).flatmap(
    lambda shape: arrays.arrays(np.float64, shape, elements=numbers)
)


@given(phase_lists, st.floats(1e-200, 1e100), st.randoms())
@settings(max_examples=100, deadline=None)
def test_unevenness_is_a_ratio_that_scale_and_order_do_not_change(gains: Array, scale: float, random: Random) -> None:
    u = unevenness(gains)
    assert 0.0 <= u <= 1.0
    order = random.sample(range(len(gains)), len(gains))
    assert unevenness(gains[order]) == pytest.approx(u, abs=1e-12)
    assert unevenness(-scale * gains) == pytest.approx(u, abs=1e-12)
    assert unevenness(np.swapaxes(gains, 1, 2)) == pytest.approx(u, abs=1e-12)


@given(phase_lists)
@settings(max_examples=100, deadline=None)
def test_unevenness_is_zero_for_equal_phases_and_no_others(gains: Array) -> None:
    equal = np.broadcast_to(gains[0], gains.shape)
    assert unevenness(equal) < 1e-12
    # of 81 numbers to 8 with three decimals: the least departure is 1e-3 / sqrt(2), the greatest length 72
    assert (unevenness(gains) > 1e-6) == bool((gains != gains[0]).any())


@given(phase_lists)
@settings(max_examples=100, deadline=None)
def test_unevenness_is_what_its_definition_says(gains: Array) -> None:
    assume(np.abs(gains).max() > 0)
    mean = sum(gains) / len(gains)
    departure = sum(((phase - mean) ** 2).sum() for phase in gains) / len(gains)
    power = sum((phase**2).sum() for phase in gains) / len(gains)
    assert unevenness(gains) == pytest.approx((departure / power) ** 0.5, abs=1e-12)


@pytest.mark.parametrize("shape", [(2, 1, 2), (2, 2, 3, 2), (3, 1, 2)])
def test_no_other_input_shows_the_grid_better_than_the_worst(shape: tuple[int, ...]) -> None:
    gains = np.random.default_rng(3).standard_normal(shape)
    worst = worst_input(gains)
    assert np.linalg.norm(worst.direction) == pytest.approx(1.0)
    phases = gains.reshape(-1, *shape[-2:])

    def grid(direction: Array) -> float:
        answers = np.array([phase @ direction for phase in phases])
        return float(np.sqrt(((answers - answers.mean(axis=0)) ** 2).sum(axis=1).mean()))

    assert grid(worst.direction) == pytest.approx(worst.grid)
    circle = np.linspace(0, np.pi, 20001)
    found = max(grid(np.array([np.cos(angle), np.sin(angle)])) for angle in circle[::20])
    assert found == pytest.approx(worst.grid, rel=1e-4)
    assert found <= worst.grid * (1 + 1e-12)


def test_decibels() -> None:
    assert decibels(1.0) == 0.0
    assert decibels(FLAT) == pytest.approx(-60.0)
    assert decibels(0.0) == -np.inf
