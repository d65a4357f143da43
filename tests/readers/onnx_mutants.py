"""Damage a valid ONNX file byte by byte and read what is left; run as a program by `test_onnx_damage.py`."""

from __future__ import annotations

import resource
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from onnx import NodeProto, TensorProto, helper

from flatfield.network import Network
from flatfield.readers.errors import UnreadableError
from flatfield.readers.onnx import read_onnx

LIMIT = 1 << 30


def weights() -> list[TensorProto]:
    """Weights of every kind: raw, in fields, outside the file."""
    rng = np.random.default_rng(0)

    def tensor(name: str, *shape: int) -> TensorProto:
        numbers = rng.normal(size=shape).astype(np.float32)
        return helper.make_tensor(name, TensorProto.FLOAT, shape, numbers.tobytes(), raw=True)

    def whole(name: str, *numbers: int) -> TensorProto:
        return helper.make_tensor(name, TensorProto.INT64, [len(numbers)], numbers)

    outside = TensorProto(name="outside", dims=[2, 2], data_type=TensorProto.FLOAT)
    outside.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "weights.bin"), ("offset", "4"), ("length", "16")):
        outside.external_data.add(key=key, value=value)
    return [
        tensor("w1", 8, 3, 3, 3), tensor("b1", 8), tensor("w2", 8, 4, 3, 3), tensor("scale", 16),
        helper.make_tensor("q", TensorProto.INT8, [16, 4, 1, 1], list(range(-32, 32))),
        whole("sides", 0, 0, 1, 1, 0, 0, 1, 1), whole("cut", 1, 1, 2, 2, -1, 24), whole("whole", 1, 1, -1, 48),
        whole("zero", 0), whole("two", 2), whole("ten", 10), whole("index", 1, 2), outside,
        helper.make_tensor("condition", TensorProto.BOOL, [], [1]),
        helper.make_tensor("scales", TensorProto.FLOAT, [4], [1, 1, 2, 2]),
    ]  # fmt: skip


def nodes() -> list[NodeProto]:
    """One of everything that a damaged number can hurt."""
    make = helper.make_node
    body: list[NodeProto] = [
        make("Relu", ["z"], ["kept"], "branch"),
    ]
    result = helper.make_tensor_value_info("kept", TensorProto.FLOAT, None)
    branch = helper.make_graph(body, "branch", [], [result])
    return [
        make("Pad", ["x", "sides"], ["p"], "pad", mode="reflect"),
        make("Conv", ["p", "w1", "b1"], ["a"], "conv", kernel_shape=[3, 3], strides=[2, 2], pads=[0, 0, 1, 1], group=1),
        make("MaxPool", ["a"], ["m"], "pool", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
        make("ConvTranspose", ["m", "w2"], ["t"], "up", strides=[2, 2], output_padding=[1, 1], dilations=[1, 1]),
        make("DequantizeLinear", ["q", "scale"], ["w3"], "dequantise", axis=0),
        make("Conv", ["t", "w3"], ["s"], "widen"),
        make("DepthToSpace", ["s"], ["d"], "shuffle", blocksize=2, mode="CRD"),
        make("Reshape", ["d", "cut"], ["r"], "cut"),
        make("Transpose", ["r"], ["o"], "turn", perm=[0, 1, 4, 2, 5, 3]),
        make("Reshape", ["o", "whole"], ["z"], "join"),
        make("If", ["condition"], ["i"], "branches", then_branch=branch, else_branch=branch),
        make("Resize", ["i", "", "scales"], ["e"], "resize", mode="linear"),
        make("Slice", ["e", "zero", "ten", "two", "two"], ["f"], "slice"),
        make("Gather", ["f", "index"], ["g"], "gather", axis=3),
        make("MatMul", ["g", "outside"], ["h"], "product"),
        make("ReduceMean", ["h", "two"], ["y"], "mean"),
    ]


def victim() -> bytes:
    """A whole network."""
    ends = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, "h", 16])]
    out = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    graph = helper.make_graph(nodes(), "graph", ends, out, weights())
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10).SerializeToString()


VICTIM = victim()
EXTREMES = (
    b"\x00",
    b"\x01",
    b"\x7f",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"\xff\xff\xff\xff\x0f",
    b"\x80\x80\x04",
)


@st.composite
def mutants(draw: st.DrawFn) -> bytes:
    data = bytearray(VICTIM)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(0, len(data) - 1)))
        length = draw(st.integers(0, 8))
        kind = draw(st.sampled_from(("byte", "byte", "extreme", "insert", "delete", "copy", "cut")))
        if kind == "byte":
            data[place : place + 1] = bytes([draw(st.integers(0, 255))])
        elif kind == "extreme":
            number = draw(st.sampled_from(EXTREMES))
            data[place : place + len(number)] = number
        elif kind == "insert":
            data[place:place] = draw(st.binary(min_size=1, max_size=8))
        elif kind == "delete":
            del data[place : place + length]
        elif kind == "copy":
            other = draw(st.integers(0, max(0, len(data) - 1)))
            data[place : place + length] = data[other : other + length]
        else:
            del data[place:]
    return bytes(data)


def look(network: Network) -> None:
    """Ask for everything that a rule may ask for."""
    for layer in network.layers:
        assert layer.overlap.min() >= 0
        assert layer.unevenness is None or not layer.unevenness < 0
        network.output_period(layer)
        network.remover(layer)


def peak_memory() -> int:
    """Most bytes this program has held; `ru_maxrss` would also count what its parent held before the exec."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def main(count: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))
    warnings.simplefilter("error")
    folder = Path(tempfile.mkdtemp())
    (folder / "weights.bin").write_bytes(bytes(64))
    path = folder / "model.onnx"
    path.write_bytes(VICTIM)
    look(read_onnx(path))
    outcome = {"network": 0, "refused": 0}  # a refusal in several lines is a KeyError here

    @settings(
        max_examples=count, deadline=None, database=None, derandomize=False, suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )  # fmt: skip
    @given(mutants())
    def damaged(data: bytes) -> None:
        path.write_bytes(data)
        try:
            look(read_onnx(path))
            outcome["network"] += 1
        except UnreadableError as error:
            lines = str(error).count("\n") + 1
            outcome["refused" if lines == 1 else "told in several lines"] += 1

    damaged()
    sys.stdout.write(f"{outcome['network']} {outcome['refused']} {peak_memory()}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
