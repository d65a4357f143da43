"""The page's own arithmetic, against the dense matrices and closed forms of `flatfield.core`."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from flatfield.core import (
    Convolution,
    Interpolation,
    SubPixelConvolution,
    TransposedConvolution,
    Window,
    flat_weights,
    interpolation_kernel,
    overlap,
    phase_gains,
    spectral_images,
    unevenness,
)


@pytest.fixture(params=range(12))
def case(request: pytest.FixtureRequest) -> dict[str, Any]:
    draw = random.Random(request.param)
    kernel, stride = draw.randint(1, 7), draw.randint(1, 4)
    numbers = np.random.default_rng(request.param)
    return {
        "n": draw.randint(2, 6),
        "stride": stride,
        "dilation": draw.randint(1, 3),
        "padding": draw.randint(0, 2),
        "taps": numbers.standard_normal(kernel).tolist(),
        "plane": numbers.standard_normal((kernel, kernel)).tolist(),
        "tile": numbers.standard_normal((3, 3)).tolist(),
        "phases": numbers.standard_normal((stride * stride, kernel, kernel)).tolist(),
        "frequency": draw.uniform(0.0, np.pi),
        "mode": draw.choice(["nearest", "bilinear"]),
    }


def test_one_layer(page: Any, case: dict[str, Any]) -> None:
    found = page.evaluate(
        """c => { const { layer } = flatfield; return {
            matrix: layer.spread(c.n + 4, c.taps, c), overlap: layer.overlap(c.taps.length, c.stride, c.dilation),
            gains: layer.gains(c.taps, c.stride, c.dilation), flat: layer.flat(c.taps, c.stride),
            images: layer.images(c.taps, c.stride, c.frequency) } }""",
        case,
    )
    taps = np.array(case["taps"])[None, None]
    s, d, p = case["stride"], case["dilation"], case["padding"]
    truth = TransposedConvolution(taps, Window(1, stride=s, padding=p, dilation=d)).as_matrix((case["n"] + 4,))
    np.testing.assert_allclose(found["matrix"], truth, atol=1e-12)
    assert found["overlap"] == overlap((taps.size,), s, d).tolist()
    np.testing.assert_allclose(found["gains"], phase_gains(taps, s, d)[:, 0, 0], atol=1e-12)
    np.testing.assert_allclose(found["flat"], flat_weights(taps, s)[0, 0], atol=1e-12)
    np.testing.assert_allclose(found["images"], abs(spectral_images(taps, s, [case["frequency"]]))[:, 0, 0], atol=1e-12)


def test_unevenness(page: Any, case: dict[str, Any]) -> None:
    gains = np.array(case["tile"]).ravel()
    assert page.evaluate("g => flatfield.layer.unevenness(g)", gains.tolist()) == pytest.approx(
        unevenness(gains[:, None, None])
    )
    assert page.evaluate("flatfield.layer.unevenness([0, 0])") == 0


def test_layers_on_the_torus(page: Any, case: dict[str, Any]) -> None:
    found = page.evaluate(
        """c => { const { plane } = flatfield; return {
            transposed: plane.transposed(c.tile, c.plane, c.stride, c.padding),
            convolved: plane.convolved(c.tile, c.plane, c.padding),
            shuffled: plane.shuffled(c.tile, c.phases, c.stride, c.padding),
            ring: plane.ring(c.tile[0], c.taps, c.stride) } }""",
        case,
    )
    plane, tile, s, p = (np.array(case[name]) for name in ("plane", "tile", "stride", "padding"))
    weight, scale, padding = plane[None, None], int(s), int(p)
    up = TransposedConvolution(weight, Window(2, stride=scale, padding=padding)).as_matrix((3, 3), torus=True)
    np.testing.assert_allclose(np.ravel(found["transposed"]), up @ tile.ravel(), atol=1e-12)
    same = Convolution(weight, Window(2, padding=padding)).as_matrix((3, 3), torus=True)
    np.testing.assert_allclose(np.ravel(found["convolved"]), same @ tile.ravel(), atol=1e-12)
    phases = np.array(case["phases"])[:, None]
    shuffle = SubPixelConvolution(phases, (scale, scale), Window(2, padding=padding)).as_transposed()
    np.testing.assert_allclose(
        np.ravel(found["shuffled"]), shuffle.as_matrix((3, 3), torus=True) @ tile.ravel(), atol=1e-12
    )
    ring = TransposedConvolution(np.array(case["taps"])[None, None], Window(1, stride=scale))
    np.testing.assert_allclose(found["ring"], ring.as_matrix((3,), torus=True) @ tile[0], atol=1e-12)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize(("mode", "core_mode"), [("nearest", "nearest"), ("bilinear", "linear")])
def test_interpolation(page: Any, scale: int, mode: str, core_mode: Any) -> None:
    tile = np.random.default_rng(scale).standard_normal((3, 3))
    found = page.evaluate("([t, s, m]) => flatfield.plane.resized(t, s, m)", [tile.tolist(), scale, mode])
    layer = Interpolation((scale, scale), core_mode).as_transposed()
    np.testing.assert_allclose(np.ravel(found), layer.as_matrix((3, 3), torus=True) @ tile.ravel(), atol=1e-12)
    hat = page.evaluate("s => flatfield.plane.hat(s)", scale)
    kernel, padding = interpolation_kernel(scale, "linear")
    np.testing.assert_allclose(hat["kernel"], kernel, atol=1e-12)
    assert hat["padding"] == padding


def test_spectrum_of_a_tile(page: Any) -> None:
    tile = np.random.default_rng(0).standard_normal((4, 6))
    truth = abs(np.fft.fft2(tile)) / tile.size
    truth[0, 0] = 0.0
    np.testing.assert_allclose(page.evaluate("t => flatfield.plane.spectrum(t)", tile.tolist()), truth, atol=1e-12)
