"""Bad files: refused in one line, never with another exception and never with much memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto

from flatfield.readers.errors import UnreadableError
from flatfield.readers.onnx import read_onnx

from .onnx_models import ints, model, node, noise, read

MUTANTS = Path(__file__).with_name("onnx_mutants.py")


def refused(path: Path, *, saying: str) -> None:
    with pytest.raises(UnreadableError, match=saying) as caught:
        read_onnx(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message


def test_mutated_bytes_never_crash_and_never_take_a_gibibyte() -> None:
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, str(MUTANTS), "2000"]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=600)
    assert result.returncode == 0, result.stderr[-3000:]
    read_whole, turned_away, peak = map(int, result.stdout.split())
    assert read_whole + turned_away >= 2000
    assert min(read_whole, turned_away) > 50  # the mutations are neither harmless nor all fatal
    assert peak < 1 << 30


def test_no_file(tmp_path: Path) -> None:
    refused(tmp_path / "none.onnx", saying="no such file")
    refused(tmp_path, saying="no such file")


@pytest.mark.parametrize(("data", "reason"), [
    (b"", "empty"),
    (b"not a model, but a letter of some length", "no ONNX file"),
    (b"\x89PNG\r\n\x1a\n" + bytes(64), "no ONNX"),
    (b"\x08\x08", "no ONNX graph"),
    (b"\xff" * 40, "no ONNX file"),
])  # fmt: skip
def test_other_files(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    refused(path, saying=reason)


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    whole = model([node("Conv", ["x", "w"], ["y"])], {"w": noise(8, 4, 3, 3)}).SerializeToString()
    path = tmp_path / "model.onnx"
    for length in range(1, len(whole) - 20, 7):
        path.write_bytes(whole[:length])
        with pytest.raises(UnreadableError):
            read_onnx(path)


WRONG_NODES = [
    (node("Conv", ["x", "w"], ["y"], "c", strides=[0, 1]), "strides"),
    (node("Conv", ["x", "w"], ["y"], "c", strides=[-1, 1]), "strides"),
    (node("Conv", ["x", "w"], ["y"], "c", strides=[1]), "strides"),
    (node("Conv", ["x", "w"], ["y"], "c", strides=[1 << 40, 1]), "strides"),
    (node("Conv", ["x", "w"], ["y"], "c", kernel_shape=[2, 2]), "contradicts its weight"),
    (node("Conv", ["x", "w"], ["y"], "c", group=2), "2 groups"),
    (node("Conv", ["x", "w"], ["y"], "c", group=0), "does not suit"),
    (node("Conv", ["x", "w"], ["y"], "c", pads=[0, 0, 0]), "pads"),
    (node("Conv", ["x", "w"], ["y"], "c", dilations=[9, 9]), "does not fit"),
    (node("Conv", ["x", "w"], ["y"], "c", strides="two"), "wrong type"),
    (node("Conv", ["x", "w"], ["y"], "c", auto_pad="SOME"), "auto_pad"),
    (node("Conv", ["x"], ["y"], "c"), "input 1 is missing"),
    (node("Conv", ["x", "nobody"], ["y"], "c"), "nobody"),
    (node("Conv", ["x", "y"], ["y"], "c"), "nothing before it makes"),
    (node("ConvTranspose", ["x", "w"], ["y"], "c"), "does not suit"),
    (node("MaxPool", ["x"], ["y"], "c"), "kernel"),
    (node("MaxPool", ["x"], ["y"], "c", kernel_shape=[0, 1]), "kernel_shape"),
    (node("MaxPool", ["x"], ["y"], "c", kernel_shape=[1 << 20, 1 << 20]), "kernel"),
    (node("DepthToSpace", ["x"], ["y"], "c", blocksize=3), "can't be shuffled"),
    (node("DepthToSpace", ["x"], ["y"], "c", blocksize=1 << 40), "block"),
    (node("SpaceToDepth", ["x"], ["y"], "c", blocksize=5), "can't be cut"),
    (node("Transpose", ["x"], ["y"], "c", perm=[0, 0, 1, 2]), "permutation"),
    (node("Concat", ["x", "x"], ["y"], "c", axis=7), "axis 7"),
    (node("Reshape", ["x", "i"], ["y"], "c"), "does not fit into"),
    (node("Squeeze", ["x", "i"], ["y"], "c"), "axis 11 is not one"),
    (node("Expand", ["x", "i"], ["y"], "c"), "do not fit together"),
    (node("Tile", ["x", "i"], ["y"], "c"), "repeats"),
    (node("Gather", ["x", "i"], ["y"], "c"), "leave an axis"),
    (node("Pad", ["x", "i"], ["y"], "c"), "pads"),
    (node("Resize", ["x", "", "", "i"], ["y"], "c"), "must be 4 numbers"),
    (node("Split", ["x", "i"], ["y"], "c"), "do not add up"),
    (node("MatMul", ["x", "w"], ["y"], "c"), "can't be multiplied"),
    (node("Add", ["x", "w"], ["y"], "c"), "do not fit together"),
    (node("Einsum", ["x", "w"], ["y"], "c", equation="abc,de->a"), "does not suit"),
    (node("GRU", ["x", "w", "w"], ["y"], "c"), "3 axes"),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "reason"), WRONG_NODES, ids=lambda part: getattr(part, "op_type", ""))
def test_a_wrong_node_is_named(tmp_path: Path, wrong: object, reason: str) -> None:
    built = model([wrong], {"w": noise(8, 4, 3, 3), "i": ints(11)})  # type: ignore[list-item]
    with pytest.raises(UnreadableError, match=reason) as caught:
        read(built, tmp_path)
    assert "node 'c'" in str(caught.value)


def test_weights_that_contradict_their_shape(tmp_path: Path) -> None:
    for size in (3, 4000):  # parsed with the message, or left in the file
        tensor = TensorProto(name="w", dims=[size], data_type=TensorProto.FLOAT, raw_data=bytes(4 * size - 4))
        with pytest.raises(UnreadableError, match="asks for"):
            read(model([node("Add", ["x", "w"], ["y"])], {"w": tensor}), tmp_path)


@pytest.mark.parametrize("dims", [[-1], [1 << 40], [1 << 30] * 4, [1] * 40])
def test_impossible_shapes(tmp_path: Path, dims: list[int]) -> None:
    tensor = TensorProto(name="w", dims=dims, data_type=TensorProto.FLOAT)
    with pytest.raises(UnreadableError):
        read(model([node("Add", ["x", "w"], ["y"])], {"w": tensor}), tmp_path)
    with pytest.raises(UnreadableError):
        read(model([node("ConstantOfShape", ["w"], ["y"])], {"w": np.array(dims)}), tmp_path)


@pytest.mark.parametrize("stride", [[1 << 20, 1 << 20], [1 << 20, 1], [500, 500]])
def test_strides_that_no_network_has(tmp_path: Path, stride: list[int]) -> None:
    built = model([node("ConvTranspose", ["x", "w"], ["y"], "up", strides=stride)], {"w": noise(4, 4, 1, 1)})
    with pytest.raises(UnreadableError, match="'up' has the stride"):
        read(built, tmp_path)
    built = model([node("ConvTranspose", ["x", "w"], ["y"], "up", strides=[1, 2048])], {"w": noise(4, 8000, 1, 1)})
    with pytest.raises(UnreadableError, match="'up' has the stride"):
        read(built, tmp_path)


def test_inputs_that_do_not_fit(tmp_path: Path) -> None:
    built = model([node("Relu", ["x"], ["y"])], inputs={"x": (1, 3, "h", "h")})
    assert read(built, tmp_path).inputs == ((1, 3, 64, 64),)
    assert read(built, tmp_path, inputs=[(1, 3, 10, 12)]).inputs == ((1, 3, 10, 12),)
    assert read(built, tmp_path, inputs={"x": (1, 3, 10, 12)}).inputs == ((1, 3, 10, 12),)
    for wrong in ([(1, 4, 8, 8)], [(1, 3, 8)], [(1, 3, 0, 8)], [(1, 3, 8, 8)] * 2, {"z": (1, 3, 8, 8)}):
        with pytest.raises(UnreadableError):
            read(built, tmp_path, inputs=wrong)


def test_a_guess_that_is_too_small_is_made_larger(tmp_path: Path) -> None:
    built = model([node("Conv", ["x", "w"], ["y"], "c")], {"w": noise(1, 1, 400)}, inputs={"x": (1, 1, None)})
    assert read(built, tmp_path).inputs == ((1, 1, 512),)
