"""Small ONNX models, written down node by node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from flatfield.network import Layer, Network
from flatfield.readers.onnx import read_onnx

Array = npt.NDArray[Any]
node = helper.make_node


def noise(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def ints(*numbers: int) -> Array:
    return np.array(numbers, dtype=np.int64)


def model(
    nodes: Sequence[NodeProto],
    weights: Mapping[str, Array | TensorProto] | None = None,
    *,
    inputs: Mapping[str, Sequence[int | str | None]] | None = None,
    outputs: Sequence[str] = ("y",),
    opset: int = 20,
    functions: Sequence[onnx.FunctionProto] = (),
    domains: Sequence[str] = (),
) -> onnx.ModelProto:
    inputs = inputs or {"x": (1, 4, 8, 8)}
    tensors = [
        value if isinstance(value, TensorProto) else numpy_helper.from_array(value, name)
        for name, value in (weights or {}).items()
    ]
    graph = helper.make_graph(
        list(nodes),
        "graph",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)) for name, shape in inputs.items()],
        [onnx.ValueInfoProto(name=name) for name in outputs],
        tensors,
    )
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(graph, opset_imports=opsets, functions=list(functions), ir_version=10)


def read(built: onnx.ModelProto, folder: Path, **options: Any) -> Network:
    path = folder / f"model{len(list(folder.iterdir()))}.onnx"
    path.write_bytes(built.SerializeToString())
    return read_onnx(path, **options)


def only(network: Network) -> Layer:
    assert network.unread == ()
    (layer,) = network.layers
    return layer
