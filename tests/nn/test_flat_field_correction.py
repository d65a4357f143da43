"""The layer against the numpy reference, in every dimension, size and type, and exported."""

from __future__ import annotations

import io
from itertools import product
from math import prod

import numpy as np
import pytest
import torch
from torch import nn

from flatfield.core.taps import Ints
from flatfield.cure.colours import Colours, count_terms
from flatfield.cure.correction import Correction
from flatfield.cure.pytorch.correct import correction_layer
from flatfield.nn import FlatFieldCorrection

PERIODS: list[Ints] = [(2,), (5,), (256,), (4, 4), (3, 2), (1, 4), (2, 2, 2), (3, 1, 4)]


def drawn(period: Ints, channels: int, degree: int) -> Correction:
    rng = np.random.default_rng(0)
    groups = 1 if channels <= 4 else channels
    members = channels // groups
    shape = (prod(period), groups, members, count_terms(members, degree))
    bound = np.ones((groups, members))
    matrix = rng.normal(size=(groups, members, members))
    colours = Colours(rng.normal(size=channels), matrix, -bound, bound)
    return Correction(period, degree, colours, rng.normal(size=shape))


@pytest.mark.parametrize(("period", "degree"), list(product(PERIODS, (0, 1, 2))))
@pytest.mark.parametrize("channels", [1, 3, 7])
def test_it_is_the_reference(period: Ints, channels: int, degree: int) -> None:
    correction = drawn(period, channels, degree)
    layer = correction_layer(correction, nn.Linear(1, 1).double())
    for extra in (0, 1):
        x = torch.randn(2, channels, *(2 * step + 1 + extra for step in period), dtype=torch.float64)
        found = layer(x)
        assert found.shape == x.shape
        np.testing.assert_allclose(found.numpy(), correction.apply(x.numpy()), atol=1e-11)


@pytest.mark.parametrize(("kind", "allowed"), [
    (torch.float32, 1e-5), (torch.float16, 2e-2), (torch.bfloat16, 2e-1),
])  # fmt: skip
def test_it_runs_in_smaller_types(kind: torch.dtype, allowed: float) -> None:
    """Errors of a few roundings of numbers up to 10 or so (10 times 2^-24, 2^-11, 2^-8)."""
    correction = drawn((2, 2), 3, 2)
    x = torch.randn(1, 3, 9, 8, dtype=torch.float64)
    layer = correction_layer(correction, nn.Linear(1, 1)).to(kind)
    found = layer(x.to(kind))
    assert found.dtype == kind
    np.testing.assert_allclose(found.double().numpy(), correction.apply(x.numpy()), atol=allowed)


@pytest.mark.parametrize(("period", "degree"), [((2, 2), 0), ((4, 3), 2)])
def test_it_is_exported_for_all_sizes(period: Ints, degree: int) -> None:
    layer = correction_layer(drawn(period, 3, degree), nn.Linear(1, 1))
    sizes = {0: torch.export.Dim("n"), **{2 + a: torch.export.Dim(f"s{a}", min=8) for a in range(len(period))}}
    program = torch.export.export(layer, (torch.randn(2, 3, *(11,) * len(period)),), dynamic_shapes=(sizes,))
    for size in (9, 16):
        x = torch.randn(3, 3, *(size,) * len(period))
        torch.testing.assert_close(program.module()(x), layer(x))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize("dynamo", [False, True])
def test_it_is_exported_to_onnx(dynamo: bool) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    layer, x = correction_layer(drawn((4, 4), 3, 2), nn.Linear(1, 1)), torch.randn(2, 3, 13, 16)
    written = io.BytesIO()
    torch.onnx.export(layer, (x,), written, dynamo=dynamo, input_names=["x"], opset_version=18)
    session = onnxruntime.InferenceSession(written.getvalue(), providers=["CPUExecutionProvider"])
    found = session.run(None, {"x": x.numpy()})[0]
    np.testing.assert_allclose(found, layer(x).numpy(), atol=1e-5)


def test_too_small_an_input_is_refused() -> None:
    layer = correction_layer(drawn((4, 4), 1, 1), nn.Linear(1, 1))
    with pytest.raises(ValueError, match="3 positions are fewer than one period of the grid, 4: give a larger input"):
        layer(torch.zeros(1, 1, 8, 3))


@pytest.mark.parametrize(("period", "shape", "message"), [
    ((), (1, 1, 1, 1), "has no place in a grid of one to three dimensions"),
    ((2, 2), (2, 1, 1, 1), r"coefficients of shape \(2, 1, 1, 1\) don't fit period \(2, 2\)"),
    ((2, 2), (4, 1, 1, 7), r"7 terms for 1 channels: give \(1, 2, 3\)"),
])  # fmt: skip
def test_what_does_not_fit_is_refused(period: Ints, shape: Ints, message: str) -> None:
    one = torch.ones(1, 1)
    with pytest.raises(ValueError, match=message):
        FlatFieldCorrection(period, torch.zeros(1), one[None], -one, one, torch.zeros(shape))
