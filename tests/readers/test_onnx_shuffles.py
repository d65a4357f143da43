"""Sub-pixel convolutions in every spelling; their phase gains held against a run on a flat input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from onnx import NodeProto

from flatfield.core import shuffle_gains
from flatfield.network import Layer

from .onnx_models import ints, model, node, noise, read
from .onnx_peer import assert_sizes_agree, run

CONV = node("Conv", ["x", "w", "b"], ["c"], "widen", pads=[1, 1, 1, 1])
WEIGHTS = {"w": noise(12, 4, 3, 3), "b": noise(12, seed=1)}
CUTS = {
    "crd": (ints(1, 3, 2, 2, 8, 8), [0, 1, 4, 2, 5, 3]),
    "dcr": (ints(1, 2, 2, 3, 8, 8), [0, 3, 4, 1, 5, 2]),
}


def spelled(order: str) -> tuple[list[NodeProto], dict[str, npt.NDArray[np.generic]]]:
    cut, perm = CUTS[order]
    nodes = [
        CONV,
        node("Reshape", ["c", "cut"], ["r"]),
        node("Transpose", ["r"], ["t"], perm=perm),
        node("Reshape", ["t", "whole"], ["y"]),
    ]
    return nodes, {**WEIGHTS, "cut": cut, "whole": ints(1, 3, 16, 16)}


def sub_pixel(network: object) -> Layer:
    assert network.unread == ()  # type: ignore[attr-defined]
    (layer,) = network.layers  # type: ignore[attr-defined]
    assert (layer.operator, layer.name, layer.stride, layer.kernel) == ("SubPixelConv", "widen", (2, 2), (3, 3))
    assert (layer.input_size, layer.output_size, layer.padding) == ((8, 8), (16, 16), ((1, 1), (1, 1)))
    assert isinstance(layer, Layer)
    return layer


def assert_gains_are_those_of_a_run(layer: Layer, answer: npt.NDArray[np.floating]) -> None:
    """On a flat input of ones phase f of the inner pixels is `G[f]` summed over the inputs, plus its bias."""
    assert layer.weight is not None
    assert layer.bias is not None
    phases = layer.bias.load().reshape(3, 2, 2)
    gains = shuffle_gains(layer.weight.load(), (2, 2)).sum(axis=-1)
    inner = answer[0, :, 4:12, 4:12]
    for f in np.ndindex(2, 2):
        expected = gains[f] + phases[:, *f]
        seen = inner[:, f[0] :: 2, f[1] :: 2]
        np.testing.assert_allclose(seen, np.broadcast_to(expected[:, None, None], seen.shape), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
@pytest.mark.parametrize("opset", [11, 13, 20])
def test_depth_to_space(tmp_path: Path, mode: str, opset: int) -> None:
    built = model([CONV, node("DepthToSpace", ["c"], ["y"], "shuffle", blocksize=2, mode=mode)], WEIGHTS, opset=opset)
    layer = sub_pixel(read(built, tmp_path))
    assert_gains_are_those_of_a_run(layer, run(built, fill=1.0)[0])


@pytest.mark.parametrize("order", CUTS)
def test_reshape_transpose_reshape(tmp_path: Path, order: str) -> None:
    built = model(*spelled(order))
    layer = sub_pixel(read(built, tmp_path))
    assert_gains_are_those_of_a_run(layer, run(built, fill=1.0)[0])


def test_all_spellings_of_an_order_are_the_same_layer(tmp_path: Path) -> None:
    for order in CUTS:
        short = model([CONV, node("DepthToSpace", ["c"], ["y"], blocksize=2, mode=order.upper())], WEIGHTS)
        layers = [sub_pixel(read(built, tmp_path)) for built in (short, model(*spelled(order)))]
        np.testing.assert_array_equal(*(layer.weight.load() for layer in layers if layer.weight))
        assert layers[0].unevenness == layers[1].unevenness


def test_before_opset_11_the_phases_come_first(tmp_path: Path) -> None:
    built = model([CONV, node("DepthToSpace", ["c"], ["y"], blocksize=2)], WEIGHTS, opset=9)
    assert_gains_are_those_of_a_run(sub_pixel(read(built, tmp_path)), run(built, fill=1.0)[0])


def test_a_grouped_one(tmp_path: Path) -> None:
    conv = node("Conv", ["x", "w", "b"], ["c"], "widen", pads=[1, 1, 1, 1], group=2)
    weights = {"w": noise(12, 2, 3, 3), "b": noise(12, seed=1)}
    for mode in ("DCR", "CRD"):
        built = model([conv, node("DepthToSpace", ["c"], ["y"], blocksize=2, mode=mode)], weights)
        assert_gains_are_those_of_a_run(sub_pixel(read(built, tmp_path)), run(built, fill=1.0)[0])


def test_icnr_survives_an_activation_in_between(tmp_path: Path) -> None:
    alike = np.repeat(noise(3, 4, 3, 3), 4, axis=0)  # PyTorch's order: the four phases of a channel are neighbours
    nodes = [CONV, node("Relu", ["c"], ["a"]), node("DepthToSpace", ["a"], ["y"], blocksize=2, mode="CRD")]
    layer = sub_pixel(read(model(nodes, {"w": alike, "b": noise(12)}), tmp_path))
    assert layer.unevenness == pytest.approx(0.0, abs=1e-7)


def test_a_linear_layer_before_the_shuffle(tmp_path: Path) -> None:
    """Patches expanded by a matrix, as window transformers do."""
    nodes = [
        node("Conv", ["x", "k"], ["e"], "embed"),
        node("Transpose", ["e"], ["l"], perm=[0, 2, 3, 1]),
        node("MatMul", ["l", "m"], ["p"], "expand"),
        node("Reshape", ["p", "cut"], ["r"]),
        node("Transpose", ["r"], ["t"], perm=[0, 5, 1, 3, 2, 4]),
        node("Reshape", ["t", "whole"], ["y"]),
    ]
    weights = {"k": noise(6, 4, 1, 1), "m": noise(6, 12), "cut": ints(1, 8, 8, 2, 2, 3), "whole": ints(1, 3, 16, 16)}
    built = model(nodes, weights)
    assert_sizes_agree(built)
    network = read(built, tmp_path)
    assert network.unread == ()
    assert [layer.operator for layer in network.layers] == ["Conv", "SubPixelConv"]
    assert network.layers[1].stride == (2, 2)
    assert network.layers[1].unevenness is not None


def test_a_shuffle_without_a_convolution(tmp_path: Path) -> None:
    built = model([node("DepthToSpace", ["x"], ["y"], "shuffle", blocksize=2)])
    assert_sizes_agree(built)
    (layer,) = read(built, tmp_path).layers
    assert (layer.name, layer.operator, layer.stride, layer.output_size) == (
        "shuffle",
        "PixelShuffle",
        (2, 2),
        (16, 16),
    )


@pytest.mark.parametrize("channels", [1, 4])
def test_space_to_depth(tmp_path: Path, channels: int) -> None:
    built = model([node("SpaceToDepth", ["x"], ["y"], "fold", blocksize=2)], inputs={"x": (1, channels, 8, 8)})
    assert_sizes_agree(built)
    (layer,) = read(built, tmp_path).layers
    assert (layer.name, layer.operator, layer.stride) == ("fold", "PixelUnshuffle", (2, 2))
    assert (layer.input_size, layer.output_size) == ((8, 8), (4, 4))


def test_repeated_pixels_spelled_with_expand(tmp_path: Path) -> None:
    nodes = [
        node("Unsqueeze", ["x", "axes"], ["u"]),
        node("Expand", ["u", "wide"], ["e"]),
        node("Reshape", ["e", "whole"], ["y"]),
    ]
    weights = {"axes": ints(3, 5), "wide": ints(1, 4, 8, 2, 8, 2), "whole": ints(1, 4, 16, 16)}
    built = model(nodes, weights)
    assert_sizes_agree(built)
    network = read(built, tmp_path)
    assert [(layer.operator, layer.stride) for layer in network.layers] == [("Resize", (2, 2))]


def test_repeated_pixels_spelled_with_gather(tmp_path: Path) -> None:
    nodes = [node("Gather", ["x", "i"], ["a"], axis=2), node("Gather", ["a", "i"], ["y"], axis=3)]
    built = model(nodes, {"i": np.arange(16) // 2})
    assert_sizes_agree(built)
    network = read(built, tmp_path)
    assert [(layer.operator, layer.stride) for layer in network.layers] == [("Resize", (2, 2))]
    assert network.unread == ()
