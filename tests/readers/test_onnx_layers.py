"""Convolutions, transposed convolutions, pools and interpolation, against hand-known layers and runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flatfield.core import Convolution, TransposedConvolution, Window

from .onnx_models import ints, model, node, noise, only, read
from .onnx_peer import assert_sizes_agree, noisy_input, run

CONVOLUTIONS: list[dict[str, Any]] = [
    {},
    {"strides": [2, 3], "pads": [1, 0, 2, 1]},
    {"dilations": [2, 1], "kernel_shape": [3, 3]},
    {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
    {"auto_pad": "SAME_LOWER", "strides": [3, 2]},
    {"auto_pad": "VALID", "strides": [2, 2]},
]
SPREADS: list[dict[str, Any]] = [
    {},
    {"strides": [2, 2]},
    {"strides": [2, 3], "pads": [1, 0, 0, 2], "output_padding": [1, 2]},
    {"strides": [2, 2], "dilations": [1, 2]},
    {"strides": [2, 2], "output_shape": [14, 17]},
    {"strides": [2, 2], "output_shape": [15, 16], "auto_pad": "SAME_UPPER"},
    {"strides": [2, 2], "output_shape": [14, 15], "auto_pad": "SAME_LOWER"},
    {"strides": [2, 2], "auto_pad": "SAME_UPPER"},
    {"strides": [3, 2], "auto_pad": "SAME_LOWER"},
    {"strides": [2, 2], "auto_pad": "VALID"},
]


@pytest.mark.parametrize("opset", [9, 11, 20])
@pytest.mark.parametrize("attributes", CONVOLUTIONS, ids=str)
def test_convolution(tmp_path: Path, attributes: dict[str, Any], opset: int) -> None:
    built = model(
        [node("Conv", ["x", "w", "b"], ["y"], "conv", group=2, **attributes)],
        {"w": noise(6, 2, 3, 3), "b": noise(6)},
        inputs={"x": (2, 4, 11, 12)},
        opset=opset,
    )
    assert_sizes_agree(built)
    layer = only(read(built, tmp_path))
    assert (layer.name, layer.operator, layer.kernel, layer.groups) == ("conv", "Conv", (3, 3), 2)
    assert layer.stride == tuple(attributes.get("strides", [1, 1]))
    assert layer.dilation == tuple(attributes.get("dilations", [1, 1]))
    assert layer.multiply_adds == 2 * 6 * int(np.prod(layer.output_size)) * 2 * 9
    assert layer.weight is not None
    np.testing.assert_array_equal(layer.weight.load(), noise(6, 2, 3, 3))
    if "pads" in attributes:
        assert layer.padding == ((1, 2), (0, 1))
    assert layer.weight_shape == (6, 2, 3, 3)


@pytest.mark.parametrize(("upper", "padding"), [("SAME_UPPER", (0, 1)), ("SAME_LOWER", (1, 0))])
def test_auto_pad_puts_the_odd_one_behind_or_in_front(tmp_path: Path, upper: str, padding: tuple[int, int]) -> None:
    nodes = [node("Conv", ["x", "w"], ["y"], strides=[2], auto_pad=upper)]
    layer = only(read(model(nodes, {"w": noise(1, 1, 3)}, inputs={"x": (1, 1, 8)}), tmp_path))
    assert layer.padding == (padding,)  # 3 outputs x 2 + 3 = 9 places for 8
    assert layer.output_size == (4,)


@pytest.mark.parametrize("attributes", SPREADS, ids=str)
def test_transposed_convolution(tmp_path: Path, attributes: dict[str, Any]) -> None:
    built = model(
        [node("ConvTranspose", ["x", "w"], ["y"], "up", group=2, **attributes)],
        {"w": noise(4, 3, 3, 3)},
        inputs={"x": (2, 4, 7, 8)},
    )
    assert_sizes_agree(built)
    layer = only(read(built, tmp_path))
    assert (layer.name, layer.operator, layer.kernel, layer.groups) == ("up", "ConvTranspose", (3, 3), 2)
    assert layer.stride == tuple(attributes.get("strides", [1, 1]))
    assert layer.multiply_adds == 2 * 4 * 7 * 8 * 3 * 9
    # the general law of its size holds with the padding that was worked out
    for i in range(2):
        reach = (layer.kernel[i] - 1) * layer.dilation[i] + 1
        full = (layer.input_size[i] - 1) * layer.stride[i] + reach + layer.output_padding[i]
        assert layer.output_size[i] == full - sum(layer.padding[i])


@pytest.mark.parametrize("attributes", CONVOLUTIONS, ids=str)
def test_a_convolution_has_the_matrix_of_the_operator(tmp_path: Path, attributes: dict[str, Any]) -> None:
    weight = noise(6, 2, 3, 3)
    built = model([node("Conv", ["x", "w"], ["y"], group=2, **attributes)], {"w": weight}, inputs={"x": (1, 4, 6, 7)})
    layer = only(read(built, tmp_path))
    window = Window(2, stride=layer.stride, padding=layer.padding, dilation=layer.dilation)
    expected = Convolution(weight, window, 2).as_matrix(layer.input_size) @ noisy_input(built).ravel()
    np.testing.assert_allclose(run(built)[0].ravel(), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("attributes", SPREADS, ids=str)
def test_a_transposed_convolution_has_the_matrix_of_the_operator(tmp_path: Path, attributes: dict[str, Any]) -> None:
    weight = noise(4, 3, 3, 3)
    nodes = [node("ConvTranspose", ["x", "w"], ["y"], group=2, **attributes)]
    built = model(nodes, {"w": weight}, inputs={"x": (1, 4, 7, 8)})
    layer = only(read(built, tmp_path))
    window = Window(2, stride=layer.stride, padding=layer.padding, dilation=layer.dilation)
    spread = TransposedConvolution(weight, window, layer.output_padding, 2)
    expected = spread.as_matrix(layer.input_size) @ noisy_input(built).ravel()
    np.testing.assert_allclose(run(built)[0].ravel(), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("same", "padding"), [("SAME_UPPER", (0, 1)), ("SAME_LOWER", (1, 0))])
def test_an_output_shape_is_padding(tmp_path: Path, same: str, padding: tuple[int, int]) -> None:
    nodes = [node("ConvTranspose", ["x", "w"], ["y"], strides=[2], output_shape=[16], auto_pad=same)]
    built = model(nodes, {"w": noise(1, 1, 3)}, inputs={"x": (1, 1, 8)})  # 17 outputs, one too many
    layer = only(read(built, tmp_path))
    assert (layer.output_size, layer.padding) == ((16,), (padding,))
    assert layer.overlap.tolist() == [2, 1]


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_any_number_of_dimensions(tmp_path: Path, dims: int) -> None:
    shape = (1, 2, *(5, 6, 7)[:dims])
    nodes = [node("ConvTranspose", ["x", "w"], ["y"], strides=[2] * dims)]
    built = model(nodes, {"w": np.ones((2, 1, *(3,) * dims), np.float32)}, inputs={"x": shape})
    assert_sizes_agree(built)
    layer = only(read(built, tmp_path))
    assert (layer.name, layer.dims) == ("ConvTranspose_y", dims)
    assert (layer.overlap.min(), layer.overlap.max()) == (1, 2**dims)


POOLS: list[tuple[str, dict[str, Any], str]] = [
    ("MaxPool", {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 1, 1]}, "max"),
    ("MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}, "max"),
    ("MaxPool", {"kernel_shape": [3, 3], "strides": [3, 3], "pads": [1, 1, 1, 1], "ceil_mode": 1}, "max"),
    ("MaxPool", {"kernel_shape": [2, 2], "dilations": [2, 3]}, "max"),
    ("MaxPool", {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"}, "max"),
    ("AveragePool", {"kernel_shape": [4, 4], "strides": [3, 3], "pads": [1, 1, 1, 1]}, "average"),
    ("LpPool", {"kernel_shape": [2, 2], "strides": [2, 2], "p": 2}, "lp"),
]  # fmt: skip


@pytest.mark.parametrize(("operator", "attributes", "mode"), POOLS, ids=str)
def test_pools(tmp_path: Path, operator: str, attributes: dict[str, Any], mode: str) -> None:
    built = model([node(operator, ["x"], ["y"], "pool", **attributes)], inputs={"x": (1, 2, 11, 13)})
    assert_sizes_agree(built)
    layer = only(read(built, tmp_path))
    assert (layer.operator, layer.mode, list(layer.kernel)) == ("Pool", mode, attributes["kernel_shape"])
    assert layer.stride == tuple(attributes.get("strides", [1, 1]))


@pytest.mark.parametrize("operator", ["GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"])
def test_global_pools_leave_no_positions(tmp_path: Path, operator: str) -> None:
    nodes = [node("Conv", ["x", "w"], ["a"]), node(operator, ["a"], ["y"])]
    built = model(nodes, {"w": noise(2, 4, 1, 1)})
    assert_sizes_agree(built)
    assert read(built, tmp_path).outputs == ()


def test_unpool(tmp_path: Path) -> None:
    nodes = [
        node("MaxPool", ["x"], ["a", "places"], "down", kernel_shape=[2, 2], strides=[2, 2]),
        node("MaxUnpool", ["a", "places"], ["y"], "up", kernel_shape=[2, 2], strides=[2, 2]),
    ]
    built = model(nodes)
    assert_sizes_agree(built)
    _, up = read(built, tmp_path).layers
    assert (up.operator, up.stride, up.output_size, up.inputs) == ("Unpool", (2, 2), (8, 8), ("down",))
    assert up.uneven is False or up.unevenness is None


def test_padding_in_front_belongs_to_the_layer_behind(tmp_path: Path) -> None:
    weights = {"p": ints(0, 0, 1, 2, 0, 0, 3, 4), "w": noise(2, 4, 3, 3)}
    for mode, word in (("constant", "zeros"), ("reflect", "reflect"), ("edge", "replicate"), ("wrap", "circular")):
        nodes = [node("Pad", ["x", "p"], ["a"], mode=mode), node("Conv", ["a", "w"], ["y"], pads=[1, 1, 1, 1])]
        built = model(nodes, weights)
        layer = only(read(built, tmp_path))
        assert (layer.padding, layer.padding_mode) == (((2, 4), (3, 5)), word)
        assert (layer.input_size, layer.output_size) == ((8, 8), (12, 14))


def test_padding_across_opsets() -> None:
    for opset, nodes in (
        (9, [node("Pad", ["x"], ["y"], pads=[0, 0, 1, 2, 0, 1, 3, 4], value=1.0)]),
        (11, [node("Pad", ["x", "p"], ["y"])]),
        (18, [node("Pad", ["x", "q", "", "axes"], ["y"], mode="edge")]),
    ):
        weights = {"p": ints(0, 0, 1, 2, 0, 1, 3, 4), "q": ints(1, 2, 3, -1), "axes": ints(-2, 3)}
        assert_sizes_agree(model(nodes, weights, opset=opset))
