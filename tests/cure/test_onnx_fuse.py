"""Fuse in ONNX: every geometry computes the same in ONNX Runtime, whichever form is taken; the rest is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from onnx import helper
from tests.cure.onnx_graphs import assert_same, examples, graph, node, noise, operators

from flatfield.core import Convolution, Interpolation, TransposedConvolution, Window
from flatfield.cure.examples import unheard
from flatfield.cure.onnx.fuse import fuse, plan
from flatfield.cure.onnx.graph import Graph
from flatfield.cure.onnx.piece import Piece
from flatfield.cure.onnx.rows import rows_of
from flatfield.cure.onnx.spread import Cells, Spread
from flatfield.cure.onnx.timing import Contest

SAME = {"half_pixel": "round_prefer_floor", "asymmetric": "floor", "pytorch_half_pixel": "round_prefer_ceil",
        "tf_half_pixel_for_nn": "floor", "half_pixel_symmetric": "round_prefer_floor"}  # fmt: skip


@pytest.fixture(params=["phases", "transposed"])
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let one form win every contest, so that both are held to the truth."""
    wanted: str = request.param

    def times(self: Contest, x: str, y: str, forms: Mapping[str, Piece], dtype: Any) -> dict[str, float]:
        return {name: float(name != wanted) + float(name == "plain") for name in forms}

    monkeypatch.setattr(Contest, "times", times)
    return wanted


@st.composite
def pairs(draw: st.DrawFn) -> tuple[onnx.ModelProto, tuple[int, ...], bool]:
    """Resize, perhaps Pad, and Conv: every geometry that folds."""
    dims = draw(st.integers(1, 3))

    def numbers(low: int, high: int) -> list[int]:
        return [draw(st.integers(low, high)) for _ in range(dims)]

    scale = numbers(1, 3)
    scale[draw(st.integers(0, dims - 1))] = draw(st.integers(2, 3))
    kernel, dilation, groups = numbers(1, 4 if dims < 3 else 2), numbers(1, 2), draw(st.sampled_from((1, 2)))
    mode = draw(st.sampled_from(("nearest", "linear", "cubic") if dims == 2 else ("nearest", "linear")))
    where = draw(st.sampled_from(sorted(SAME))) if mode == "nearest" else draw(
        st.sampled_from(("half_pixel",) if mode == "cubic" else ("half_pixel", "asymmetric", "pytorch_half_pixel"))
    )  # fmt: skip
    padded = draw(st.sampled_from({"nearest": ("zeros", "edge", "wrap", "reflect"), "linear": ("none", "edge"),
                                   "cubic": ("none",)}[mode]))  # fmt: skip
    most = min(s - 1 for s in scale) if padded == "reflect" else 4
    sides = [0] * 2 * dims if padded == "none" else [draw(st.integers(0, most)) for _ in range(2 * dims)]
    rounding = {"nearest_mode": SAME[where]} if mode == "nearest" else {}
    channels = 2 * groups
    constants = {
        "scales": np.array([1, 1, *scale], np.float32), "bias": noise(3 * groups),
        "weight": noise(3 * groups, channels // groups, *kernel, seed=draw(st.integers(0, 99))),
    }  # fmt: skip
    nodes = [
        node("Resize", ["x", "", "scales"], ["u"], "up", mode=mode, coordinate_transformation_mode=where, **rounding)
    ]
    if padded in ("edge", "wrap", "reflect"):
        constants["sides"] = np.array([0, 0, *sides[:dims], 0, 0, *sides[dims:]], np.int64)
        nodes.append(node("Pad", ["u", "sides"], ["v"], "pad", mode=padded))
    own = [0] * 2 * dims if len(nodes) > 1 else sides
    inputs = [nodes[-1].output[0], "weight", *(["bias"] if draw(st.booleans()) else [])]
    nodes.append(node("Conv", inputs, ["y"], "conv", group=groups, dilations=dilation, pads=own, kernel_shape=kernel))
    dynamic = draw(st.booleans())
    sizes = numbers(6, 8)
    room = [n * s + sides[i] + sides[dims + i] for i, (n, s) in enumerate(zip(sizes, scale, strict=True))]
    # a kernel that reaches beyond what there is has no output: ONNX Runtime refuses the pair itself
    assume(all(d * (k - 1) < r for k, d, r in zip(kernel, dilation, room, strict=True)))
    model = graph(nodes, constants, ["n", channels, *([f"d{i}" for i in range(dims)] if dynamic else sizes)])
    return model, (2, channels, *sizes), dynamic


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pairs())
def test_a_fused_pair_computes_the_same(form: str, drawn: tuple[onnx.ModelProto, tuple[int, ...], bool]) -> None:
    model, shape, dynamic = drawn
    todo = plan(model, "model")
    assert [step.layer for step in todo.steps] == ["conv"], todo.refused
    fused, _ = fuse(todo, model, examples(noise(*shape)), unheard)
    assert "Resize" not in operators(fused)
    assert_same(model, fused, noise(*shape))
    if dynamic:
        assert_same(model, fused, noise(3, shape[1], *(n + 3 for n in shape[2:]), seed=1))


@pytest.mark.parametrize("opset", [9, 10, 11, 13, 18, 22])
@pytest.mark.parametrize("groups", [1, 2])
def test_every_opset_is_kept(opset: int, groups: int, form: str) -> None:
    scales = np.array([1, 1, 2, 2], np.float32)
    operator, inputs = ("Upsample", ["x", "s"]) if opset < 10 else ("Resize", ["x", "s"])
    settings = {} if opset < 11 else {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    constants = {"s": scales, "w": noise(6, 4 // groups, 3, 3)}
    if opset > 10:
        inputs = ["x", "roi", "s"] if opset < 13 else ["x", "", "s"]
        constants |= {"roi": np.zeros(0, np.float32)} if opset < 13 else {}
    nodes = [node(operator, inputs, ["u"], "up", mode="nearest", **settings),
             node("Conv", ["u", "w"], ["y"], "conv", pads=[1, 1, 1, 1], group=groups)]  # fmt: skip
    model = graph(nodes, constants, [1, 4, 5, 6], opset=opset)
    fused, _ = fuse(plan(model, "m"), model, examples(noise(1, 4, 5, 6)), unheard)
    assert_same(model, fused, noise(1, 4, 5, 6))


def test_the_dense_matrix_is_the_truth() -> None:
    weight, scale, window = noise(3, 2, 3, 3, kind=np.float64), (2, 3), Window(2, padding=1)
    nodes = [node("Resize", ["x", "", "s"], ["u"], "up", mode="nearest", nearest_mode="floor",
                  coordinate_transformation_mode="asymmetric"),
             node("Conv", ["u", "w"], ["y"], "conv", pads=[1, 1, 1, 1])]  # fmt: skip
    model = graph(nodes, {"s": np.array([1, 1, *scale], np.float32), "w": weight.astype(np.float32)}, [1, 2, 4, 5])
    (row,) = rows_of(Graph(model))
    fused = TransposedConvolution(row.spread.weight, Window(2, stride=scale, padding=row.spread.pads)).as_matrix((4, 5))
    truth = Convolution(weight.astype(np.float32), window).as_matrix((8, 15))
    np.testing.assert_allclose(fused, truth @ Interpolation(scale, "nearest").as_matrix((4, 5), channels=2), atol=1e-12)


def test_phase_kernels_do_the_work_that_is_told() -> None:
    spread = Spread(np.ones((1, 1, 4, 4)), None, (2, 2), ((1, 1), (1, 1)), (1, 1), 1, np.dtype(np.float32))
    assert spread.phase_kernels().shape == (4, 1, 2, 2)
    assert spread.multiply_adds == 16
    assert [cell.padding for cell in spread.cells] == [(1, 1), (1, 1)]
    assert Cells(2, 1, 1, (5, -1)).padding == (0, 0)  # padding beyond the kernel is cut off, not padded by less than 0


def _pair(
    *,
    sizes: Any = (1, 2, 6, 6),
    resize: Mapping[str, Any] | None = None,
    conv: Mapping[str, Any] | None = None,
    scales: Any = (1, 1, 2, 2),
    extra: Any = (),
    outputs: Any = ("y",),
    weight: Any = None,
) -> onnx.ModelProto:
    """Nearest x 2 and a 3 x 3 convolution; `extra` nodes between them write `v`."""
    settings = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    last = "v" if extra and "v" in extra[-1].output else "u"
    nodes = [
        node("Resize", ["x", "", "s"], ["u"], "up", **{**settings, **(resize or {})}),
        *extra,
        node("Conv", [last, "w"], ["y"], "conv", **(conv or {})),
    ]
    constants = {"s": np.array(scales, np.float32), "w": noise(3, 2, 3, 3) if weight is None else weight}
    return graph(nodes, constants, sizes, outputs=outputs)


REFUSED = [
    (_pair(scales=(1, 1, 2, 1.5)), "not by whole numbers"),
    (_pair(scales=(1, 2, 2, 2), weight=noise(3, 4, 3, 3)), "the batch or the channels"),
    (_pair(resize={"nearest_mode": "ceil"}), "in a way of its own"),
    (_pair(resize={"coordinate_transformation_mode": "align_corners"}), "depend on the size"),
    (_pair(resize={"mode": "linear"}, conv={"pads": [1, 1, 1, 1]}), "zeros around what linear interpolation gives"),
    (_pair(conv={"strides": [2, 2]}), "steps over positions"),
    (_pair(extra=[node("Relu", ["u"], ["v"])]), "goes to Relu, not straight to a convolution"),
    (_pair(outputs=("y", "u")), "read by the model's outputs"),
    (_pair(extra=[node("Relu", ["u"], ["z"])], outputs=("y", "z")), "read by 2 layers"),
    (_pair(weight=noise(3, 2, 3, 3, kind=np.float16)), "rounding it anew would show"),
]


@pytest.mark.parametrize(("model", "reason"), REFUSED, ids=[reason for _, reason in REFUSED])
def test_what_can_not_be_fused_is_left_with_the_reason(model: onnx.ModelProto, reason: str) -> None:
    todo = plan(model, "m")
    assert todo.steps == ()
    (refusal,) = todo.refused
    assert refusal.layer == "up"
    assert reason in refusal.because


def test_weights_that_the_graph_computes_are_refused() -> None:
    nodes = [node("Resize", ["x", "", "s"], ["u"], "up"), node("Mul", ["w", "two"], ["w2"]),
             node("Conv", ["u", "w2"], ["y"], "conv")]  # fmt: skip
    constants = {"s": np.array([1, 1, 2, 2], np.float32), "w": noise(3, 2, 3, 3), "two": np.array(2, np.float32)}
    assert "computed by the graph" in plan(graph(nodes, constants, [1, 2, 6, 6]), "m").refused[0].because


def test_sizes_that_the_graph_works_out_are_a_factor_only_where_they_are_fixed() -> None:
    def sized(sizes: list[Any]) -> onnx.ModelProto:
        nodes = [node("Shape", ["x"], ["h"]), node("Mul", ["h", "twice"], ["n"]),
                 node("Resize", ["x", "", "", "n"], ["u"], "up", nearest_mode="floor"),
                 node("Conv", ["u", "w"], ["y"], "conv")]  # fmt: skip
        nodes[2].attribute.append(helper.make_attribute("coordinate_transformation_mode", "asymmetric"))
        return graph(nodes, {"twice": np.array([1, 1, 2, 2]), "w": noise(3, 2, 3, 3)}, sizes)

    fixed = sized([1, 2, 6, 6])
    fused, notes = fuse(plan(fixed, "m"), fixed, examples(noise(1, 2, 6, 6)), unheard)
    assert_same(fixed, fused, noise(1, 2, 6, 6))
    assert "Resize + Conv" in notes[0]
    assert "worked out by the graph" in plan(sized([1, 2, "h", "w"]), "m").refused[0].because


def test_metadata_stays_and_the_original_is_untouched(form: str) -> None:
    model = _pair(sizes=("n", 2, "h", "w"), conv={"pads": [1, 1, 1, 1]})
    model.producer_name, model.doc_string = "somebody", "what it is for"
    helper.set_model_props(model, {"labels": "cat,dog"})
    model.graph.doc_string = "a graph"
    before = model.SerializeToString()
    fused, _ = fuse(plan(model, "m"), model, examples(noise(1, 2, 6, 6)), unheard)
    assert model.SerializeToString() == before
    assert (fused.producer_name, fused.doc_string, fused.graph.doc_string) == ("somebody", "what it is for", "a graph")
    assert [(p.key, p.value) for p in fused.metadata_props] == [("labels", "cat,dog")]
    assert [d.dim_param for d in fused.graph.input[0].type.tensor_type.shape.dim] == ["n", "", "h", "w"]
    assert {t.name for t in fused.graph.initializer}.isdisjoint({"w", "s"})  # nobody reads them any more


def test_graphs_inside_a_graph_are_left_alone() -> None:
    inner = helper.make_graph(
        [node("Resize", ["x", "", "s"], ["r"], "inner_up"), node("Conv", ["r", "w"], ["o"])], "then", [],
        [helper.make_tensor_value_info("o", 1, None)],
    )  # fmt: skip
    nodes = [node("If", ["flag"], ["y"], "branch", then_branch=inner, else_branch=inner)]
    constants = {"flag": np.array(True), "s": np.array([1, 1, 2, 2], np.float32), "w": noise(3, 2, 3, 3)}
    todo = plan(graph(nodes, constants, [1, 2, 6, 6]), "m")
    assert todo.steps == ()
    assert {refusal.layer for refusal in todo.refused} == {"branch/inner_up"}
    assert "left alone" in todo.refused[0].because


def test_what_is_quickest_as_it_is_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Contest, "times", lambda *_: {"plain": 0.001, "phases": 0.002, "transposed": 0.003})
    model = _pair()
    kept, notes = fuse(plan(model, "m"), model, examples(noise(1, 2, 6, 6)), unheard)
    assert operators(kept) == ["Resize", "Conv"]
    assert notes == ("conv stays as it is, which is quickest here: "
                     "Resize + Conv 1 ms, Conv + shuffle 2 ms, ConvTranspose 3 ms",)  # fmt: skip


def test_all_forms_are_really_timed() -> None:
    model = _pair(sizes=(1, 2, "h", "w"))
    times = Contest.at(model, ["x"], examples(noise(1, 2, 6, 6)))
    assert times.shapes == {"x": (1, 2, 6, 6)}
    _, notes = fuse(plan(model, "m"), model, examples(noise(1, 2, 6, 6)), unheard)
    assert all(name in notes[0] for name in ("Resize + Conv", "Conv + shuffle", "ConvTranspose"))


def test_a_step_that_is_not_there_is_an_error() -> None:
    model = _pair()
    todo = plan(model, "m")
    other = _pair(extra=[node("Relu", ["u"], ["v"])])
    with pytest.raises(ValueError, match="fuse can't change conv"):
        fuse(todo, other, examples(noise(1, 2, 6, 6)), unheard)
