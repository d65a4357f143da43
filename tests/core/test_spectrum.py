"""Spectral images against the Fourier transform of the dense matrix's answer to a wave."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flatfield.core import (
    TransposedConvolution,
    Window,
    flat_weights,
    image_curve,
    interpolation_kernel,
    phase_gains,
    spectral_images,
    unevenness,
)

from .geometries import Geometry, geometries


@given(geometries(), st.data())
@settings(max_examples=100, deadline=None)
def test_images_are_the_lines_in_the_spectrum_of_the_answer_to_a_wave(geometry: Geometry, data: st.DataObject) -> None:
    size, stride, dims = geometry.size, geometry.stride, geometry.dims
    turns = [data.draw(st.integers(0, n - 1)) for n in size]
    frequency = [2 * np.pi * turn / n for turn, n in zip(turns, size, strict=True)]
    weight = geometry.weight(geometry.ins, geometry.outs)
    layer = TransposedConvolution(weight, Window(dims, stride=stride, dilation=geometry.dilation))
    wave = np.exp(1j * sum(w * axis for w, axis in zip(frequency, np.indices(size), strict=True)))
    outputs = tuple(n * s for n, s in zip(size, stride, strict=True))
    matrix = layer.as_matrix(size, torus=True).reshape(geometry.outs, int(np.prod(outputs)), geometry.ins, -1)
    answer = np.einsum("omin,n->iom", matrix, wave.ravel()).reshape(geometry.ins, geometry.outs, *outputs)
    spectrum = np.fft.fftn(answer, axes=range(2, 2 + dims)) / np.prod(outputs)

    images = spectral_images(weight, stride, frequency, geometry.dilation)
    assert images.shape == (*stride, geometry.ins, geometry.outs)
    for q in np.ndindex(*stride):
        place = tuple(turn + n * copy for turn, n, copy in zip(turns, size, q, strict=True))
        np.testing.assert_allclose(images[q], spectrum[(..., *place)], rtol=0, atol=1e-12)
        spectrum[(..., *place)] = 0.0
    # and there is nothing else
    np.testing.assert_allclose(spectrum, 0.0, atol=1e-12)


@given(geometries())
@settings(max_examples=60, deadline=None)
def test_at_frequency_zero_the_images_hold_the_power_of_the_gains(geometry: Geometry) -> None:
    weight = geometry.weight(geometry.ins, geometry.outs)
    gains = phase_gains(weight, geometry.stride, geometry.dilation)
    power = np.abs(spectral_images(weight, geometry.stride, [0.0] * geometry.dims, geometry.dilation)) ** 2
    # Parseval over the phases
    assert power.sum() == pytest.approx((gains**2).sum() / np.prod(geometry.stride))
    itself = power[(0,) * geometry.dims].sum()
    assert power.sum() - itself == pytest.approx(unevenness(gains) ** 2 * power.sum(), abs=1e-12)


@given(geometries(), st.integers(0, 2))
@settings(max_examples=40, deadline=None)
def test_a_curve_begins_with_the_flat_input_and_sweeps_one_axis(geometry: Geometry, axis: int) -> None:
    axis %= geometry.dims
    weight = geometry.weight(geometry.ins, geometry.outs)
    curve = image_curve(weight, geometry.stride, geometry.dilation, axis=axis, points=5)
    np.testing.assert_allclose(curve.frequency, np.pi * np.arange(5) / 4)
    for w, baseband, images in zip(curve.frequency, curve.baseband, curve.images, strict=True):
        frequency = np.zeros(geometry.dims)
        frequency[axis] = w
        power = np.abs(spectral_images(weight, geometry.stride, list(frequency), geometry.dilation)) ** 2
        itself = power[(0,) * geometry.dims].sum()
        assert baseband**2 == pytest.approx(itself)
        assert images**2 == pytest.approx(power.sum() - itself, abs=1e-12)
    flat = image_curve(flat_weights(weight, geometry.stride, geometry.dilation), geometry.stride, geometry.dilation)
    assert flat.images[0] < 1e-12


def test_longer_interpolation_leaves_weaker_images() -> None:
    curves = [image_curve(interpolation_kernel(2, mode)[0][None, None], 2) for mode in ("nearest", "linear", "cubic")]
    # at half of the input's band
    middle = [float(curve.images[32]) for curve in curves]
    assert middle == sorted(middle, reverse=True)
    assert middle[0] == pytest.approx(np.sin(np.pi / 8))  # nearest: |cos((w + 2 pi) / 4)| at w = pi / 2
    # [1 3 3 1] / 4 is three boxes [1 1], one after another
    assert middle[1] == pytest.approx(np.sin(np.pi / 8) ** 3)
