"""What the charts show after a control has moved, row by row against `flatfield.figures` and `core`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from flatfield.core import Convolution, TransposedConvolution, Window, phase_gains, spectral_images, unevenness
from flatfield.figures.contributions import contribution_rows
from flatfield.figures.damping import damping_rows
from flatfield.figures.flat_pair import pair_rows
from flatfield.figures.gain_map import gain_rows
from flatfield.figures.lanes import label_rows, lane_rows
from flatfield.figures.matrix import matrix_rows
from flatfield.figures.painted import painted_line_rows, painted_rows
from flatfield.figures.ribbons import ribbon_rows
from flatfield.figures.spectrum_lines import spectrum_rows
from flatfield.figures.upsamplers import upsampler_kernels
from flatfield.figures.waves import wave_rows

Turn = Callable[..., None]
Shown = Callable[[str, str], Any]
Said = Callable[[str, str], str]


def same(found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    """Every row is there, in the order of the figures, numbers to 1e-8."""
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        for name, value in other.items():
            if isinstance(value, float):
                assert math.isclose(one[name], value, abs_tol=1e-8), (name, one, other)
            else:
                assert one[name] == value, (name, one, other)


@pytest.fixture
def weights(page: Any) -> Callable[[str, int, int], Any]:
    return lambda kind, kernel, draw: np.array(page.evaluate("a => flatfield.weights.line(...a)", [kind, kernel, draw]))


@pytest.mark.parametrize("kind", ["filter", "ones", "bilinear", "random"])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation"), [(3, 1, 0, 1), (3, 2, 1, 1), (8, 4, 2, 1), (4, 2, 1, 3), (1, 3, 0, 1)]
)
def test_uniform(
    turn: Turn, shown: Shown, weights: Any, kind: str, kernel: int, stride: int, padding: int, dilation: int
) -> None:
    turn("uniform", kernel=kernel, stride=stride, padding=padding, dilation=dilation, weights=kind, draw=7)
    window = Window(1, stride=stride, padding=padding, dilation=dilation)
    matrix = TransposedConvolution(weights(kind, kernel, 7)[None, None], window).as_matrix((5,))
    places = (np.arange(len(matrix)) + padding - dilation * (kernel - 1) / 2) / stride
    expected = ribbon_rows(matrix, [1] * 5, places=places.tolist(), phases=stride, padding=padding)
    for name, rows in expected.items():
        same(shown("uniform-ribbons", name), rows)
    parts = contribution_rows(matrix, [1] * 5, stride=stride, padding=padding)
    same(shown("uniform-contributions", "parts"), parts)


@pytest.mark.parametrize("step", range(6))
def test_gather(turn: Turn, shown: Shown, step: int) -> None:
    turn("gather", step=step)
    kernel, seven, five = np.array([[[1.0, 2.0, 3.0]]]), range(1, 8), range(1, 6)
    band = Convolution(kernel, Window(1)).as_matrix((7,))
    spread = TransposedConvolution(kernel, Window(1)).as_matrix((5,))
    lit = {"gather-band": ("output", band), "gather-transpose": ("input", spread)}
    for chart, (which, matrix) in lit.items():  # a row is gathered, a column written
        expected = [{**row, "lit": row[which] == step - 1} for row in matrix_rows(matrix)]
        same(shown(chart, "cells"), expected)
    same(shown("gather-conv", "cells"), ribbon_rows(band, seven, places=range(1, 6))["cells"])
    same(shown("gather-spread", "cells"), ribbon_rows(spread, five, places=range(-1, 6))["cells"])
    for chart, end in (("gather-conv", "output"), ("gather-spread", "input")):
        assert {link[end] for link in shown(chart, "links") if link["lit"]} == ({step - 1} if step else set(range(5)))


@pytest.mark.parametrize(("kernel", "stride", "painted"), [(3, 2, 16), (4, 2, 5), (6, 3, 1), (2, 3, 9)])
def test_painted(turn: Turn, shown: Shown, kernel: int, stride: int, painted: int) -> None:
    turn("overlap", kernel=kernel, stride=stride, painted=painted)
    same(shown("overlap-painted", "cells"), painted_rows(kernel, stride, side=4, painted=painted))
    same(shown("overlap-line", "cells"), painted_line_rows(kernel, stride, side=4, painted=painted))


@pytest.mark.parametrize("kind", ["random", "ones", "bilinear"])
@pytest.mark.parametrize(("kernel", "stride"), [(4, 2), (5, 3)])
def test_gains_on_the_plane(
    page: Any, turn: Turn, shown: Shown, said: Said, kind: str, kernel: int, stride: int
) -> None:
    turn("overlap", kernel=kernel, stride=stride, weights=kind, draw=3)
    plane = np.array(page.evaluate("a => flatfield.weights.plane(...a)", [kind, kernel, 3]))
    gains = phase_gains(plane[None, None], stride)
    same(shown("overlap-gains", "cells"), gain_rows(gains[..., 0, 0]))
    assert said("overlap", "unevenness") == f"{unevenness(gains):.3f}"


@pytest.mark.parametrize("kind", ["ones", "random", "bilinear"])
@pytest.mark.parametrize(("layers", "kernel", "last"), [(1, 2, 0), (3, 3, 0), (4, 5, 6), (2, 4, 4)])
def test_stack(
    turn: Turn, shown: Shown, said: Said, weights: Any, kind: str, layers: int, kernel: int, last: int
) -> None:
    turn("stack", layers=layers, kernel=kernel, weights=kind, draw=2, last=last)
    profiles = [("flat input", np.ones(1))]
    for i in range(1, layers + 1):
        taps = weights(kind, kernel, 2 + 100 * i)
        gain = taps.sum() / 2 or 1.0
        layer = TransposedConvolution((taps / gain)[None, None], Window(1, stride=2))
        before = profiles[-1][1]
        out = layer.as_matrix(before.shape, torus=True) @ before
        profiles.append((f"layer {i}, period {len(out)}", out))
    same(shown("stack-damping", "bars"), damping_rows(profiles[-1][1]))
    if last > 1:
        stacked = profiles[-1][1]
        boxed = np.mean([np.roll(stacked, -t) for t in range(last)], axis=0)
        profiles.append((f"last layer, kernel {last}", boxed))
    same(shown("stack-lanes", "cells"), lane_rows(profiles))
    same(shown("stack-lanes", "labels"), label_rows(profiles))
    assert said("stack", "unevenness") == f"{unevenness(profiles[-1][1][:, None, None]):.4f}"


@pytest.mark.parametrize("name", list(upsampler_kernels()))
@pytest.mark.parametrize("frequency", [0, 7, 32])
def test_spectra(turn: Turn, shown: Shown, said: Said, name: str, frequency: int) -> None:
    turn("spectra", frequency=frequency, upsampler=name)
    kernel, w = upsampler_kernels()[name], frequency / 32 * np.pi
    same(shown("spectra-lines", "lines"), spectrum_rows(kernel, 2, w))
    same(shown("spectra-waves", "samples"), wave_rows(kernel, 2, w))
    assert shown("spectra-curves", "at")[0]["frequency"] == frequency / 32
    wave, image = abs(spectral_images(kernel[None, None], 2, [w]))[:, 0, 0]
    assert (said("spectra", "wave"), said("spectra", "image")) == (f"{wave:.4f}", f"{image:.4f}")


@pytest.mark.parametrize(("kernel", "stride", "draw"), [(3, 2, 1), (4, 2, 9), (7, 3, 4), (3, 3, 2)])
def test_flat(turn: Turn, shown: Shown, weights: Any, kernel: int, stride: int, draw: int) -> None:
    turn("flat", kernel=kernel, stride=stride, draw=draw)
    expected = pair_rows(weights("random", kernel, draw), stride)
    same(shown("flat-taps", "taps"), expected["taps"])
    same(shown("flat-gains", "gains"), expected["gains"])


@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (4, 3), (1, 2)])
@pytest.mark.parametrize("jitter", [1, 3, 9])
def test_gradients(turn: Turn, shown: Shown, said: Said, kernel: int, stride: int, jitter: int) -> None:
    turn("gradients", kernel=kernel, stride=stride, jitter=jitter)
    tile = phase_gains(np.ones((1, 1, kernel, kernel)), stride)[..., 0, 0]
    shifts = [(i // stride % stride, i % stride) for i in range(min(jitter, stride * stride))]
    mean = np.mean([np.roll(tile, shift, axis=(0, 1)) for shift in shifts], axis=0)
    same(shown("gradients-gains", "cells"), gain_rows(mean))
    assert said("gradients", "unevenness") == f"{unevenness(mean.reshape(-1, 1, 1)):.3f}"
