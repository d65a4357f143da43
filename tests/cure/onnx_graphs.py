"""Small ONNX graphs for the rewrites, and what ONNX Runtime makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import NodeProto, TensorProto, helper, numpy_helper

from flatfield.cure.examples import Examples

Array = npt.NDArray[Any]
node = helper.make_node


def noise(*shape: int, seed: int = 0, kind: type = np.float32) -> Array:
    return np.random.default_rng(seed).normal(size=shape).astype(kind)


def graph(
    nodes: Sequence[NodeProto],
    constants: Mapping[str, Array],
    sizes: Sequence[int | str | None],
    *,
    opset: int = 20,
    ir_version: int = 8,
    outputs: Sequence[str] = ("y",),
    kind: int = TensorProto.FLOAT,
) -> onnx.ModelProto:
    """A model from `x` to `y`; the output's sizes are left open."""
    built = helper.make_graph(
        list(nodes),
        "graph",
        [helper.make_tensor_value_info("x", kind, list(sizes))],
        [helper.make_tensor_value_info(name, kind, [None] * len(sizes)) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return helper.make_model(built, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version)


def run(model: onnx.ModelProto, x: Array) -> Array:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"x": x})[0])


def assert_same(before: onnx.ModelProto, after: onnx.ModelProto, x: Array) -> None:
    """The new graph is valid, keeps its interface, and computes the same to 1e-5 of the largest output."""
    onnx.checker.check_model(after, full_check=True)
    assert [v.SerializeToString() for v in after.graph.input] == [v.SerializeToString() for v in before.graph.input]
    assert [v.SerializeToString() for v in after.graph.output] == [v.SerializeToString() for v in before.graph.output]
    assert after.opset_import[0].version == before.opset_import[0].version
    old, new = run(before, x), run(after, x)
    assert new.shape == old.shape
    np.testing.assert_allclose(new, old, rtol=0, atol=1e-5 * float(np.abs(old).max()))


def examples(x: Array) -> Examples:
    return Examples([(x,)], "noise")


def operators(model: onnx.ModelProto) -> list[str]:
    return [entry.op_type for entry in model.graph.node]
