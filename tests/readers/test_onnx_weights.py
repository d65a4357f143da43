"""Weights: from wherever they come, decoded when they are wanted."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, external_data_helper, helper, numpy_helper

from flatfield.network import Layer
from flatfield.readers.errors import UnreadableError
from flatfield.readers.onnx import read_onnx

from .onnx_models import Array, ints, model, node, noise, read

W = noise(4, 3, 3, 3)
UP = node("ConvTranspose", ["x", "w"], ["y"], "up", strides=[2, 2])


def loaded(built: onnx.ModelProto, folder: Path, name: str = "up") -> Array:
    network = read(built, folder)
    assert network.unread == ()
    layer = next(layer for layer in network.layers if layer.name == name)
    assert isinstance(layer, Layer)
    assert layer.weight is not None
    assert layer.weight.shape == layer.weight_shape
    numbers = layer.weight.load()
    assert numbers.shape == layer.weight_shape
    return numbers


SCALE, ZERO = noise(3) ** 2 + 0.1, np.array([1, -2, 3], np.int8)
Q = (np.arange(108) - 54).astype(np.int8).reshape(4, 3, 3, 3)
ORIGINS: dict[str, tuple[list[Any], dict[str, Array], Array]] = {
    "Identity": ([node("Identity", ["v"], ["w"])], {"v": W}, W),
    "Cast": ([node("Cast", ["v"], ["w"], to=1)], {"v": W.astype(np.float16)}, W.astype(np.float16)),
    "Transpose": ([node("Transpose", ["v"], ["w"], perm=[1, 0, 3, 2])], {"v": W.transpose(1, 0, 3, 2)}, W),
    "Reshape": ([node("Reshape", ["v", "s"], ["w"])], {"v": W.ravel(), "s": ints(4, 3, 3, 3)}, W),
    "Constant": ([node("Constant", [], ["w"], value=numpy_helper.from_array(W))], {}, W),
    "chain": ([node("Identity", ["v"], ["a"]), node("Transpose", ["a"], ["b"]), node("Cast", ["b"], ["w"], to=1)],
              {"v": W.T}, W),
    "DequantizeLinear": ([node("DequantizeLinear", ["q", "s"], ["w"])],
                         {"q": Q, "s": np.array(0.5, np.float32)}, Q * np.float32(0.5)),
    "per channel": ([node("DequantizeLinear", ["q", "s", "z"], ["w"], axis=1)], {"q": Q, "s": SCALE, "z": ZERO},
                    (Q.astype(np.float32) - ZERO[:, None, None]) * SCALE[:, None, None]),
    "weight norm": ([node("ReduceL2", ["v"], ["n"], axes=[1, 2, 3]), node("Div", ["v", "n"], ["d"]),
                     node("Mul", ["d", "g"], ["w"])], {"v": W, "g": noise(4, 1, 1, 1)},
                    W / np.sqrt((W**2).sum(axis=(1, 2, 3), keepdims=True)) * noise(4, 1, 1, 1)),
}  # fmt: skip


@pytest.mark.parametrize("origin", ORIGINS)
def test_weights_through_operators(tmp_path: Path, origin: str) -> None:
    nodes, weights, expected = ORIGINS[origin]
    built = model([*nodes, UP], weights, opset=13)
    np.testing.assert_allclose(loaded(built, tmp_path), expected, rtol=1e-6)


def test_large_weights_are_computed_when_wanted(tmp_path: Path) -> None:
    large = noise(4, 300, 3, 3)
    nodes = [node("Transpose", ["v"], ["w"], perm=[1, 0, 2, 3]), UP]
    built = model(nodes, {"v": large}, inputs={"x": (1, 300, 4, 4)})
    np.testing.assert_array_equal(loaded(built, tmp_path), large.transpose(1, 0, 2, 3))


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("dtype", [np.float64, np.float16, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn])
@pytest.mark.parametrize("channels", [3, 64])
def test_narrow_types_are_widened(tmp_path: Path, dtype: Any, raw: bool, channels: int) -> None:
    narrow = noise(4, channels, 3, 3).astype(dtype)
    kind = helper.np_dtype_to_tensor_dtype(narrow.dtype)
    values = narrow.tobytes() if raw else narrow.astype(np.float32).ravel().tolist()
    tensor = helper.make_tensor("w", kind, narrow.shape, values, raw=raw)
    numbers = loaded(model([UP], {"w": tensor}), tmp_path)
    assert numbers.dtype in (np.float32, np.float64)
    np.testing.assert_array_equal(numbers, narrow.astype(numbers.dtype))


def test_four_bits(tmp_path: Path) -> None:
    tensor = helper.make_tensor("q", TensorProto.INT4, [4, 3, 3, 3], [n % 16 - 8 for n in range(108)])
    nodes = [node("DequantizeLinear", ["q", "s"], ["w"]), UP]
    numbers = loaded(model(nodes, {"q": tensor, "s": np.array(2.0, np.float32)}, opset=21), tmp_path)
    np.testing.assert_array_equal(numbers.ravel()[:4], [-16, -14, -12, -10])


def test_blocks_of_a_quantised_weight(tmp_path: Path) -> None:
    scale = np.array([[1.0], [2.0]], np.float32).reshape(2, 1, 1, 1) * np.ones((2, 3, 3, 3), np.float32)
    nodes = [node("DequantizeLinear", ["q", "s"], ["w"], axis=0, block_size=2), UP]
    numbers = loaded(model(nodes, {"q": Q, "s": scale}, opset=21), tmp_path)
    np.testing.assert_array_equal(numbers, Q * np.array([1, 1, 2, 2], np.float32).reshape(4, 1, 1, 1))


def test_integer_convolutions(tmp_path: Path) -> None:
    q = np.arange(-36, 36, dtype=np.int8).reshape(2, 4, 3, 3)
    parts: dict[str, Array] = {
        "s": np.array(0.1, np.float32), "z": np.array(0, np.uint8), "w": q, "ws": np.array([0.5, 2.0], np.float32),
        "wz": np.array([1, 0], np.int8),
    }  # fmt: skip
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], ["a"]),
        node("QLinearConv", ["a", "s", "z", "w", "ws", "wz", "s", "z"], ["b"], "quantised"),
        node("DequantizeLinear", ["b", "s", "z"], ["y"]),
    ]
    expected = (q.astype(np.float32) - np.array([1, 0]).reshape(2, 1, 1, 1)) * parts["ws"].reshape(2, 1, 1, 1)
    np.testing.assert_allclose(loaded(model(nodes, parts), tmp_path, "quantised"), expected)
    nodes = [node("QuantizeLinear", ["x", "s", "z"], ["a"]), node("ConvInteger", ["a", "w", "z"], ["y"], "whole")]
    used = {name: parts[name] for name in ("s", "z", "w")}
    np.testing.assert_array_equal(loaded(model(nodes, used), tmp_path, "whole"), q)


# -- external data -----------------------------------------------------------------------------------------------


def outside(folder: Path, location: str = "weights.bin", **entries: str) -> Path:
    built = model([UP], {"w": W})
    tensor = built.graph.initializer[0]
    external_data_helper.set_external_data(tensor, location)
    tensor.ClearField("raw_data")
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)
    path = folder / "model.onnx"
    path.write_bytes(built.SerializeToString())
    return path


def test_external_data(tmp_path: Path) -> None:
    path = outside(tmp_path, offset="8", length=str(W.nbytes))
    (tmp_path / "weights.bin").write_bytes(bytes(8) + W.tobytes() + bytes(5))
    weight = read_onnx(path).layers[0].weight
    assert weight is not None
    np.testing.assert_array_equal(weight.load(), W)


def test_external_data_as_onnx_saves_it(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(model([UP], {"w": W}), path, save_as_external_data=True, location="sub.bin", size_threshold=0)
    weight = read_onnx(path).layers[0].weight
    assert weight is not None
    np.testing.assert_array_equal(weight.load(), W)


@pytest.mark.parametrize(
    "location", ["../weights.bin", "/etc/passwd", "sub/../../weights.bin", "..\\weights.bin", "a\0b", ""]
)
def test_external_data_elsewhere_is_refused(tmp_path: Path, location: str) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "weights.bin").write_bytes(W.tobytes())
    with pytest.raises(UnreadableError, match=r"leaves the model's folder|no file can have this name"):
        read_onnx(outside(tmp_path / "inner", location))


def test_external_data_behind_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "weights.bin").write_bytes(W.tobytes())
    os.symlink(tmp_path / "weights.bin", tmp_path / "inner" / "weights.bin")
    with pytest.raises(UnreadableError, match="leaves the model's folder"):
        read_onnx(outside(tmp_path / "inner"))


def test_external_data_that_is_missing_or_short_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="missing: put it beside the model"):
        read_onnx(outside(tmp_path))
    (tmp_path / "weights.bin").write_bytes(W.tobytes())
    for entries in ({"offset": "8"}, {"length": "4"}, {"offset": "-1"}, {"offset": "9" * 40}, {"length": "x"}):
        with pytest.raises(UnreadableError):
            read_onnx(outside(tmp_path, **entries))


def test_a_file_that_changed_meanwhile_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(model([UP], {"w": noise(4, 64, 3, 3)}).SerializeToString())
    weight = read_onnx(path).layers[0].weight
    assert weight is not None
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(UnreadableError, match="changed meanwhile"):
        weight.load()


def test_reading_decodes_no_weight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise AssertionError("a weight was decoded")

    path = tmp_path / "model.onnx"
    path.write_bytes(model([UP], {"w": noise(4, 64, 3, 3)}).SerializeToString())
    monkeypatch.setattr(np, "fromfile", fail)
    monkeypatch.setattr(numpy_helper, "to_array", fail)
    weight = read_onnx(path).layers[0].weight
    assert weight is not None
    with pytest.raises(AssertionError, match="a weight was decoded"):
        weight.load()


def test_weights_that_are_not_finite_tell_nothing(tmp_path: Path) -> None:
    broken = W.copy()
    broken[0, 0, 0, 0] = np.nan
    layer = read(model([UP], {"w": broken}), tmp_path).layers[0]
    assert layer.unevenness is None
    assert layer.uneven  # 3/2 overlaps unevenly, whatever the weights
