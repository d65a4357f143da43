"""The correction behind ONNX graphs: the PyTorch module's numbers, and everything else kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from flatfield.cure.calibration import CalibrationError
from flatfield.cure.colours import Colours
from flatfield.cure.correction import Correction
from flatfield.cure.examples import Examples, unheard
from flatfield.cure.layout import layout_of
from flatfield.cure.onnx.correct import append_correction, correct
from flatfield.cure.pytorch.correct import correct as correct_module
from flatfield.cure_report import CurePlan

PLAN = CurePlan("model.onnx", "correct")
LAYERS = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}


def weight(dims: int, channels: int) -> np.ndarray:
    random = np.random.default_rng(0)
    found = random.normal(0, 0.1, (channels, channels, *(4,) * dims)).astype(np.float32)
    found[np.arange(channels), np.arange(channels)] += 0.3
    return found


def graph(
    dims: int, channels: int, *, opset: int = 17, kind: int = TensorProto.FLOAT, arranged: str = ""
) -> onnx.ModelProto:
    """A transposed convolution 4/3 (uneven) and a bias; `arranged`: channels last, or none."""
    up = helper.make_node("ConvTranspose", ["x", "w"], ["up"], "up", strides=[3] * dims)
    nodes, rank = [up], dims + 2
    if arranged == "last":
        nodes.append(helper.make_node("Transpose", ["up"], ["y"], "last", perm=[0, *range(2, rank), 1]))
    elif arranged == "none":
        nodes.append(helper.make_node("Squeeze", ["up", "one"], ["y"], "mono"))
        rank -= 1
    else:
        nodes.append(helper.make_node("Identity", ["up"], ["y"], "same"))
    nodes.append(helper.make_node("Abs", ["y"], ["also"], "reader"))
    ends = [
        helper.make_tensor_value_info("x", kind, ["batch", channels, *(f"n{a}" for a in range(dims))]),
        helper.make_tensor_value_info("y", kind, [None] * rank),
        helper.make_tensor_value_info("also", kind, [None] * rank),
    ]
    values = weight(dims, channels).astype(helper.tensor_dtype_to_np_dtype(kind))
    constants = [numpy_helper.from_array(values, "w"), numpy_helper.from_array(np.array([1]), "one")]
    body = helper.make_graph(nodes, "g", ends[:1], ends[1:], constants)
    model = helper.make_model(body, ir_version=8, opset_imports=[helper.make_opsetid("", opset)])
    helper.set_model_props(model, {"author": "kept"})
    return model


def module(dims: int, channels: int) -> nn.Module:
    layer = LAYERS[dims](channels, channels, 4, stride=3, bias=False)
    layer.weight.data = torch.from_numpy(weight(dims, channels))
    return layer


def pictures(dims: int, channels: int, count: int = 24, seed: int = 0) -> np.ndarray:
    size = {1: 64, 2: 16, 3: 8}[dims]
    low = np.random.default_rng(seed).normal(size=(count, channels, *(size // 4,) * dims))
    for axis in range(2, 2 + dims):
        low = low.repeat(4, axis)
    return low.astype(np.float32)


def run(model: onnx.ModelProto, x: np.ndarray) -> list[Any]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    return list(session.run(None, {"x": x}))


@pytest.mark.parametrize(("dims", "channels"), [(1, 1), (1, 3), (2, 3), (2, 6), (3, 2)])
def test_it_is_the_pytorch_modules(dims: int, channels: int) -> None:
    x = pictures(dims, channels)
    cured, notes = correct(PLAN, graph(dims, channels), Examples([(x,)], "noise"), unheard)
    other, same = correct_module(PLAN, module(dims, channels), Examples([(torch.from_numpy(x),)], "noise"), unheard)
    assert notes == same
    onnx.checker.check_model(cured, full_check=True)
    for size in (x.shape[2], x.shape[2] - 3):
        held = pictures(dims, channels, 3, seed=1)[(..., *(slice(0, size),) * dims)]
        with torch.no_grad():
            expected = other(torch.from_numpy(held)).numpy()
        found, _ = run(cured, held)
        np.testing.assert_allclose(found, expected, atol=1e-5)
        plain, also = run(graph(dims, channels), held)
        assert np.abs(found - plain).max() > 1e-3
        np.testing.assert_array_equal(run(cured, held)[1], also)  # what reads the output inside reads it as it was


@pytest.mark.parametrize("opset", [11, 13, 18, 21])
def test_everything_else_is_kept(opset: int) -> None:
    model = graph(2, 3, opset=opset)
    before = model.SerializeToString()
    cured, _ = correct(PLAN, model, Examples([(pictures(2, 3),)], "noise"), unheard)
    assert model.SerializeToString() == before
    assert [o.version for o in cured.opset_import] == [opset]
    assert list(cured.graph.input) == list(model.graph.input)
    assert list(cured.graph.output) == list(model.graph.output)
    assert cured.metadata_props[0].value == "kept"
    run(cured, pictures(2, 3, 1))


@pytest.mark.parametrize("arranged", ["last", "none"])
def test_other_orders_of_axes(arranged: str) -> None:
    dims, channels = (2, 3) if arranged == "last" else (1, 1)
    x = pictures(dims, channels)
    cured, _ = correct(PLAN, graph(dims, channels, arranged=arranged), Examples([(x,)], "noise"), unheard)
    usual, _ = correct(PLAN, graph(dims, channels), Examples([(x,)], "noise"), unheard)
    found, expected = run(cured, x)[0], run(usual, x)[0]
    moved = np.moveaxis(found, -1, 1) if arranged == "last" else found[:, None]
    np.testing.assert_allclose(moved, expected, atol=1e-5)


@pytest.mark.parametrize("kind", [TensorProto.DOUBLE, TensorProto.FLOAT16])
@pytest.mark.parametrize("degree", [0, 1])
def test_other_types_are_kept(kind: int, degree: int) -> None:
    ends = [helper.make_tensor_value_info(name, kind, [None, 1, None]) for name in "xy"]
    body = helper.make_graph([helper.make_node("Identity", ["x"], ["y"], "same")], "g", ends[:1], ends[1:])
    model = helper.make_model(body, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    coefficients = np.array([[0.5, 0.25], [-0.5, -0.25]])[:, None, None, : degree + 1]
    one = np.ones((1, 1))
    correction = Correction((2,), degree, Colours(np.zeros(1), one[None], -one, one), coefficients)
    append_correction(model, "y", correction, layout_of((0, 0, 2), 0), 17)
    x = np.random.default_rng(0).normal(size=(2, 1, 9)).astype(helper.tensor_dtype_to_np_dtype(kind))
    found = run(model, x)[0]
    assert found.dtype == x.dtype
    np.testing.assert_allclose(found, correction.apply(x), atol=1e-6 if kind == TensorProto.DOUBLE else 4e-3)


def test_a_second_correction_finds_other_names() -> None:
    x = pictures(2, 3)
    once, _ = correct(PLAN, graph(2, 3), Examples([(x,)], "noise"), unheard)
    from flatfield.cure.layout import layout_of
    from flatfield.cure.onnx.correct import append_correction

    colours = Colours(np.zeros(3), np.eye(3)[None], np.zeros((1, 3)), np.zeros((1, 3)))
    same = Correction((3, 3), 0, colours, np.zeros((9, 1, 3, 1)))
    before = run(once, x)[0]
    append_correction(once, "y", same, layout_of((0, 0, 3, 3), 0), 17)
    onnx.checker.check_model(once, full_check=True)
    np.testing.assert_allclose(run(once, x)[0], before, atol=1e-7)


def test_a_graph_without_a_grid_is_left_as_it_is() -> None:
    up = helper.make_node("Resize", ["x", "", "scales"], ["y"], "up", mode="nearest", nearest_mode="floor",
                          coordinate_transformation_mode="asymmetric")  # fmt: skip
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 3, None, None]) for name in "xy"]
    scales = numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "scales")
    model = helper.make_model(helper.make_graph([up], "g", ends[:1], ends[1:], [scales]), ir_version=8,
                              opset_imports=[helper.make_opsetid("", 17)])  # fmt: skip
    cured, notes = correct(PLAN, model, Examples([(pictures(2, 3),)], "noise"), unheard)
    assert cured.SerializeToString() == model.SerializeToString()
    assert notes[-1].endswith("left as it is")


@pytest.mark.parametrize(("opset", "batches", "message"), [
    (10, [(pictures(2, 3),)], "opset 10 has no padding of a size found at run time: convert to 11 or later"),
    (17, [], "no example was given"),
    (17, [(pictures(2, 3, 1),)], "one example can't tell"),
    (17, [(pictures(2, 3), pictures(2, 3))], r"2 inputs were given for the model's 1 \(x\): give one for each"),
    (17, [(np.full((4, 3, 16, 16), np.nan, np.float32),)], "hold NaN or infinite"),
])  # fmt: skip
def test_what_can_not_be_is_refused_in_one_line(opset: int, batches: list[Any], message: str) -> None:
    with pytest.raises(CalibrationError, match=message) as error:
        correct(PLAN, graph(2, 3, opset=opset), Examples(batches, "noise"), unheard)
    assert "\n" not in str(error.value)
