"""What is not understood is listed; branches, loops and functions; what the reader imports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from flatfield.network import Network
from flatfield.readers.errors import UnreadableError

from .onnx_models import ints, model, node, noise, read
from .onnx_peer import assert_sizes_agree

UP = {"u": noise(4, 4, 3, 3)}


def up(source: str, result: str, name: str = "up") -> onnx.NodeProto:
    return node("ConvTranspose", [source, "u"], [result], name, strides=[2, 2])


def unread(network: Network) -> list[tuple[str, str]]:
    assert all(entry.reason for entry in network.unread)
    return [(entry.name, entry.operator) for entry in network.unread]


def test_unknown_operators_on_positions_are_unread(tmp_path: Path) -> None:
    nodes = [node("Magic", ["x"], ["a"], "magic", domain="my.domain"), node("Relu", ["a"], ["y"])]
    assert unread(read(model(nodes, domains=["my.domain"]), tmp_path)) == [("magic", "Magic")]


def test_unknown_operators_on_constants_are_harmless(tmp_path: Path) -> None:
    nodes = [node("Magic", ["u"], ["a"], "magic", domain="my.domain"), up("x", "y")]
    network = read(model(nodes, UP, domains=["my.domain"]), tmp_path)
    assert network.unread == ()
    assert len(network.layers) == 1


def test_behind_an_unknown_size_layers_are_unread_and_the_way_stays(tmp_path: Path) -> None:
    nodes = [
        up("x", "a", "first"),
        node("Magic", ["a"], ["b"], "magic", domain="my.domain"),
        node("Relu", ["b"], ["c"], "relu"),
        node("Conv", ["c", "w"], ["y"], "conv"),
    ]
    network = read(model(nodes, {**UP, "w": noise(4, 4, 1, 1)}, domains=["my.domain"]), tmp_path)
    assert unread(network) == [("magic", "Magic"), ("conv", "Conv")]
    assert network.outputs == ("first",)


def test_a_declared_size_helps_behind_an_unknown_operator(tmp_path: Path) -> None:
    nodes = [node("Magic", ["x"], ["a"], "magic", domain="my.domain"), up("a", "y")]
    built = model(nodes, UP, domains=["my.domain"])
    built.graph.value_info.append(helper.make_tensor_value_info("a", TensorProto.FLOAT, [1, 4, 5, 5]))
    network = read(built, tmp_path)
    assert unread(network) == [("magic", "Magic")]
    assert network.layers[0].output_size == (11, 11)


MOVERS = [
    (node("GridSample", ["x", "g"], ["y"], "n"), {"g": noise(1, 5, 5, 2)}),
    (node("DFT", ["x"], ["y"], "n"), {}),
    (node("NonZero", ["x"], ["y"], "n"), {}),
    (node("Resize", ["x", "roi", "s"], ["y"], "n", coordinate_transformation_mode="tf_crop_and_resize"),
     {"roi": noise(8), "s": np.ones(4, np.float32)}),
    (node("Gather", ["x", "i"], ["y"], "n", axis=2), {"i": ints(0, 5, 1, 7)}),
    (node("ScatterND", ["x", "i", "u"], ["y"], "n"),
     {"i": np.stack(np.meshgrid([0], range(4), [0, 2, 4], range(8), indexing="ij"), -1), "u": noise(1, 4, 3, 8)}),
    (node("TopK", ["x", "k"], ["y", "z"], "n"), {"k": ints(3)}),
    (node("DeformConv", ["x", "w", "o"], ["y"], "n"), {"w": noise(2, 4, 1, 1), "o": noise(1, 2, 8, 8)}),
]  # fmt: skip


@pytest.mark.parametrize(("mover", "weights"), MOVERS, ids=lambda part: getattr(part, "op_type", ""))
def test_operators_that_move_positions_unseen_are_unread(
    tmp_path: Path, mover: onnx.NodeProto, weights: dict[str, np.ndarray]
) -> None:
    network = read(model([mover], weights, outputs=mover.output), tmp_path)
    assert unread(network) == [("n", mover.op_type)]


def test_a_reshape_across_rows_of_pixels_is_unread(tmp_path: Path) -> None:
    built = model([node("Reshape", ["x", "s"], ["y"], "cut")], {"s": ints(1, 3, 16, 4)}, inputs={"x": (1, 4, 6, 8)})
    assert [operator for _, operator in unread(read(built, tmp_path))] == ["Reshape"]


def test_a_strided_slice_is_a_layer_of_its_name(tmp_path: Path) -> None:
    weights = {"a": ints(0, 1), "b": ints(8, 8), "c": ints(2, 3), "d": ints(2, 2)}
    built = model([node("Slice", ["x", "a", "b", "c", "d"], ["y"], "focus")], weights)
    assert_sizes_agree(built)
    network = read(built, tmp_path)
    assert [(layer.name, layer.operator, layer.stride) for layer in network.layers] == [
        ("focus", "Slice", (2, 1)),
        ("focus#2", "Slice", (1, 2)),
    ]


def branch(name: str, *nodes: onnx.NodeProto) -> onnx.GraphProto:
    return helper.make_graph(list(nodes), name, [], [onnx.ValueInfoProto(name=nodes[-1].output[0])])


def choice(yes: onnx.NodeProto, no: onnx.NodeProto) -> onnx.NodeProto:
    return node("If", ["q"], ["y"], "choice", then_branch=branch("yes", yes), else_branch=branch("no", no))


def test_the_branch_that_is_taken_is_read(tmp_path: Path) -> None:
    nodes = [
        node("Shape", ["x"], ["s"]),
        node("Size", ["x"], ["n"]),
        node("Greater", ["n", "zero"], ["q"]),
        choice(up("x", "a"), node("Relu", ["x"], ["b"])),
    ]
    built = model(nodes, {**UP, "zero": np.array(0)})
    assert_sizes_agree(built)
    network = read(built, tmp_path)
    assert [layer.name for layer in network.layers] == ["choice/up"]
    assert network.unread == ()


def test_both_branches_are_read_where_the_input_decides(tmp_path: Path) -> None:
    nodes = [
        node("ReduceMax", ["x"], ["m"], keepdims=0),
        node("Greater", ["m", "zero"], ["q"]),
        choice(up("x", "a", "one"), up("x", "b", "two")),
    ]
    built = model(nodes, {**UP, "zero": np.array(0.0, np.float32)})
    assert_sizes_agree(built)
    network = read(built, tmp_path)
    assert network.outputs == ("choice/one", "choice/two")


def loop(*body: onnx.NodeProto) -> onnx.NodeProto:
    inputs = [
        helper.make_tensor_value_info("i", TensorProto.INT64, []),
        helper.make_tensor_value_info("go", TensorProto.BOOL, []),
        helper.make_tensor_value_info("state", TensorProto.FLOAT, None),
    ]
    outputs = [onnx.ValueInfoProto(name="going"), onnx.ValueInfoProto(name="next")]
    graph = helper.make_graph([node("Identity", ["go"], ["going"]), *body], "body", inputs, outputs)
    return node("Loop", ["count", "", "x"], ["y"], "loop", body=graph)


def test_a_loop_of_elementwise_operators_is_harmless(tmp_path: Path) -> None:
    built = model([loop(node("Relu", ["state"], ["next"]))], {"count": np.array(3)})
    assert_sizes_agree(built)
    assert read(built, tmp_path).unread == ()


def test_a_loop_that_may_move_positions_is_unread(tmp_path: Path) -> None:
    body = node("Conv", ["state", "w"], ["next"], pads=[1, 1, 1, 1])
    network = read(model([loop(body)], {"count": np.array(3), "w": noise(4, 4, 3, 3)}), tmp_path)
    assert unread(network) == [("loop", "Loop")]
    assert "Conv" in network.unread[0].reason


def test_functions_of_the_model(tmp_path: Path) -> None:
    inner = helper.make_function(
        "my.domain", "Up", ["a", "w"], ["b"],
        [node("ConvTranspose", ["a", "w"], ["t"], "up"), node("LeakyRelu", ["t"], ["b"], "relu")],
        [helper.make_opsetid("", 20)], attributes=["steps"],
    )  # fmt: skip
    reference = onnx.AttributeProto(name="strides", ref_attr_name="steps", type=onnx.AttributeProto.INTS)
    inner.node[0].attribute.append(reference)
    outer = helper.make_function(
        "my.domain", "Twice", ["a", "w"], ["c"],
        [node("Up", ["a", "w"], ["b"], "first", domain="my.domain", steps=[2, 2]),
         node("Up", ["b", "w"], ["c"], "second", domain="my.domain", steps=[3, 1])],
        [helper.make_opsetid("", 20), helper.make_opsetid("my.domain", 1)],
    )  # fmt: skip
    call = node("Twice", ["x", "u"], ["y"], "block", domain="my.domain")
    built = model([call], UP, functions=[inner, outer], domains=["my.domain"])
    assert_sizes_agree(built)
    network = read(built, tmp_path)
    assert [(layer.name, layer.stride) for layer in network.layers] == [
        ("block/first/up", (2, 2)),
        ("block/second/up", (3, 1)),
    ]
    assert network.layers[1].inputs == ("block/first/up",)


def test_functions_that_call_themselves_are_refused(tmp_path: Path) -> None:
    endless = helper.make_function(
        "my.domain", "Again", ["a"], ["b"], [node("Again", ["a"], ["b"], domain="my.domain")],
        [helper.make_opsetid("my.domain", 1)],
    )  # fmt: skip
    call = node("Again", ["x"], ["y"], domain="my.domain")
    with pytest.raises(UnreadableError, match="without end"):
        read(model([call], functions=[endless], domains=["my.domain"]), tmp_path)


def test_functions_that_double_at_every_call_are_refused(tmp_path: Path) -> None:
    functions = [
        helper.make_function(
            "my.domain", f"F{n}", ["a"], ["c"],
            [node(f"F{n + 1}", ["a"], ["b"], domain="my.domain"), node(f"F{n + 1}", ["b"], ["c"], domain="my.domain")],
            [helper.make_opsetid("my.domain", 1)],
        ) for n in range(30)
    ]  # fmt: skip
    leaf = helper.make_function(
        "my.domain", "F30", ["a"], ["c"], [node("Relu", ["a"], ["c"])], [helper.make_opsetid("", 20)]
    )
    call = node("F0", ["x"], ["y"], domain="my.domain")
    with pytest.raises(UnreadableError, match="more than"):
        read(model([call], functions=[*functions, leaf], domains=["my.domain"]), tmp_path)


def test_what_onnx_runtime_makes_of_a_model_when_it_optimises(tmp_path: Path) -> None:
    nodes = [
        node("FusedConv", ["x", "w"], ["a"], "fused", domain="com.microsoft", activation="Relu", pads=[1, 1, 1, 1]),
        node("Gelu", ["a"], ["b"], domain="com.microsoft"),
        up("b", "y"),
    ]
    built = model(nodes, {**UP, "w": noise(4, 4, 3, 3)}, domains=["com.microsoft"])
    network = read(built, tmp_path)
    assert network.unread == ()
    assert [(layer.name, layer.operator) for layer in network.layers] == [("fused", "Conv"), ("up", "ConvTranspose")]
    assert network.layers[1].between == ("Gelu",)


def test_inputs_that_are_weights_of_old_files(tmp_path: Path) -> None:
    built = model([up("x", "y")], UP, inputs={"x": (1, 4, 8, 8), "u": (4, 4, 3, 3)}, opset=9)
    network = read(built, tmp_path)
    assert network.inputs == ((1, 4, 8, 8),)
    assert network.layers[0].weight is not None


def test_branches_that_meet_and_names_that_repeat(tmp_path: Path) -> None:
    nodes = [up("x", "a", "same"), up("x", "b", "same"), node("Add", ["a", "b"], ["c"]), up("c", "y", "")]
    network = read(model(nodes, UP), tmp_path)
    assert [layer.name for layer in network.layers] == ["same", "same#2", "ConvTranspose_y"]
    assert network.layers[2].inputs == ("same", "same#2")
    assert network.layers[2].between == ("Add",)


def _loaded_by(code: str) -> set[str]:
    heavy = ("torch", "onnxruntime", "tensorflow", "jax", "pandas", "scipy")
    program = f"{code}\nimport sys\nsys.stdout.write(' '.join(n for n in {heavy!r} if n in sys.modules))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    return set(result.stdout.split())


def test_no_other_framework_is_imported(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(model([up("x", "y")], UP).SerializeToString())
    reading = f"from pathlib import Path; from flatfield.readers.onnx import read_onnx; read_onnx(Path({str(path)!r}))"
    assert _loaded_by(f"{reading}.layers[0].unevenness") == set()
    assert "torch" in _loaded_by("import torch")  # the test can fail
