"""Unfuse in ONNX: every transposed convolution that can be is a convolution and a shuffle, equal in ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from onnx import numpy_helper
from tests.cure.onnx_graphs import assert_same, examples, graph, node, noise, operators, run

from flatfield.core import SubPixelConvolution, TransposedConvolution, Window
from flatfield.cure.examples import unheard
from flatfield.cure.onnx.graph import Graph
from flatfield.cure.onnx.unfuse import plan, transposed_convolution, unfuse


@st.composite
def layers(draw: st.DrawFn) -> tuple[onnx.ModelProto, tuple[int, ...], bool]:
    """One ConvTranspose of any geometry and opset, told its padding in each of the ways there are."""
    dims = draw(st.integers(1, 3))

    def numbers(low: int, high: int) -> list[int]:
        return [draw(st.integers(low, high)) for _ in range(dims)]

    one = draw(st.integers(1, 3))
    stride = [one] * dims if draw(st.booleans()) else numbers(1, 3)
    kernel, dilation, groups = numbers(1, 4 if dims < 3 else 3), numbers(1, 2), draw(st.sampled_from((1, 2)))
    dynamic, told = (
        draw(st.booleans()),
        draw(st.sampled_from(("pads", "pads", "SAME_UPPER", "SAME_LOWER", "VALID", "size"))),
    )
    extra = [draw(st.integers(0, s - 1)) for s in stride]
    ways: dict[str, dict[str, Any]] = {
        "pads": {"pads": numbers(0, 3) + numbers(0, 3), "output_padding": extra},
        "size": {"output_shape": [5 * s + draw(st.integers(0, 1)) for s in stride]},
    }  # fmt: skip
    given = ways.get(told, {"auto_pad": told})
    constants = {"w": noise(2 * groups, 3, *kernel, seed=draw(st.integers(0, 99))), "b": noise(3 * groups)}
    inputs = ["x", "w", *(["b"] if draw(st.booleans()) else [])]
    up = node("ConvTranspose", inputs, ["y"], "up", strides=stride, dilations=dilation, group=groups, **given)
    sizes: list[Any] = [f"d{i}" for i in range(dims)] if dynamic else [5] * dims
    opset = draw(st.sampled_from((9, 10, 11, 13, 22)))
    return graph([up], constants, ["n", 2 * groups, *sizes], opset=opset), (2, 2 * groups, *(5,) * dims), dynamic


@settings(max_examples=150, deadline=None)
@given(layers())
def test_an_unfused_layer_computes_the_same(drawn: tuple[onnx.ModelProto, tuple[int, ...], bool]) -> None:
    model, shape, dynamic = drawn
    try:
        run(model, noise(*shape))
    except Exception:
        assume(False)  # padding took everything away
    todo = plan(model, "m")
    if todo.refused:
        assert todo.refused[0].because in (
            "it is told a size larger than its kernel reaches",
            "it is told the size of its output: how much it pads depends on the input's",
        )
        return
    rewritten, _ = unfuse(todo, model, examples(noise(*shape)), unheard)
    assert "ConvTranspose" not in operators(rewritten)
    assert_same(model, rewritten, noise(*shape))
    if dynamic:
        assert_same(model, rewritten, noise(1, shape[1], *(n + 4 for n in shape[2:]), seed=1))


def test_the_dense_matrix_is_the_truth() -> None:
    weight = noise(2, 3, 3, 4)
    up = node("ConvTranspose", ["x", "w"], ["y"], "up", strides=[2, 2], pads=[1, 1, 0, 2])
    model = graph([up], {"w": weight}, [1, 2, 4, 5])
    graph_ = Graph(model)
    spread = transposed_convolution(graph_, graph_.proto.node[0])
    cells = spread.cells
    window = Window(2, padding=[cell.padding for cell in cells])
    whole = SubPixelConvolution(spread.phase_kernels(), (2, 2), window).as_matrix((4, 5))
    sizes = [2 * (n + sum(c.padding) - c.span) for n, c in zip((4, 5), cells, strict=True)]
    kept = whole.reshape(3, *sizes, -1)[(slice(None), *(slice(c.crop[0], n - c.crop[1]) for n, c in zip(sizes, cells, strict=True)))]  # fmt: skip  # noqa: E501
    truth = TransposedConvolution(weight, Window(2, stride=2, padding=((1, 0), (1, 2)))).as_matrix((4, 5))
    np.testing.assert_allclose(kept.reshape(truth.shape), truth, atol=1e-12)


@pytest.mark.parametrize(
    ("stride", "sizes", "expected"),
    [
        ([2, 2], [1, 2, "h", "w"], ["Conv", "DepthToSpace", "Slice"]),
        ([1, 2], [1, 2, 5, 5], ["Conv", "Reshape", "Transpose", "Reshape", "Slice"]),
        ([1, 2], [1, 2, 5, "w"], ["Conv", "Reshape", "Transpose", "Reshape", "Slice"]),
        ([1, 2], [1, 2, "h", "w"], ["Conv", "Shape", "Gather", "Mul", "Concat", "Concat", "Reshape", "Transpose",
                                    "Reshape", "Slice"]),
        ([1, 1], [1, 2, "h", "w"], ["Conv"]),
    ],
)  # fmt: skip
def test_as_few_operators_as_the_sizes_allow(stride: list[int], sizes: list[Any], expected: list[str]) -> None:
    up = node("ConvTranspose", ["x", "w"], ["y"], "up", strides=stride, pads=[1, 1, 1, 1])
    model = graph([up], {"w": noise(2, 3, 3, 3)}, sizes)
    rewritten, _ = unfuse(plan(model, "m"), model, examples(noise(1, 2, 5, 5)), unheard)
    assert operators(rewritten) == expected


def test_nodes_of_one_name_and_shared_weights() -> None:
    """The second of a name is `up#2`, as the reader says; a weight that both read is written out for each."""
    nodes = [node("ConvTranspose", ["x", "w"], ["h"], "up", strides=[2, 2]),
             node("ConvTranspose", ["h", "w"], ["y"], "up", strides=[2, 2])]  # fmt: skip
    model = graph(nodes, {"w": noise(2, 2, 2, 2)}, [1, 2, 4, 4])
    todo = plan(model, "m")
    assert [step.layer for step in todo.steps] == ["up", "up#2"]
    rewritten, _ = unfuse(todo, model, examples(noise(1, 2, 4, 4)), unheard)
    assert operators(rewritten) == ["Conv", "DepthToSpace"] * 2
    model.graph.node[1].name = "another"  # ONNX Runtime takes no two nodes of one name
    assert_same(model, rewritten, noise(1, 2, 4, 4))


def test_weights_from_outside_are_refused() -> None:
    up = node("ConvTranspose", ["x", "w"], ["y"], "up")
    model = graph([up], {"w": noise(2, 2, 2, 2)}, [1, 2, 4, 4])
    model.graph.input.append(onnx.helper.make_tensor_value_info("w", 1, [2, 2, 2, 2]))
    assert "given from outside" in plan(model, "m").refused[0].because
    model.ir_version = 3  # then every initialiser had to be listed as an input
    assert [step.layer for step in plan(model, "m").steps] == ["up"]


def test_a_constant_node_is_a_weight_too() -> None:
    nodes = [node("Constant", [], ["w"], value=numpy_helper.from_array(noise(2, 2, 2, 2))),
             node("ConvTranspose", ["x", "w"], ["y"], "up", strides=[2, 2])]  # fmt: skip
    model = graph(nodes, {}, [1, 2, 4, 4])
    rewritten, _ = unfuse(plan(model, "m"), model, examples(noise(1, 2, 4, 4)), unheard)
    assert operators(rewritten) == ["Conv", "DepthToSpace"]
    assert_same(model, rewritten, noise(1, 2, 4, 4))
