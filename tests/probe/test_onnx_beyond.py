"""ONNX files that no PyTorch module made: channels last, sizes that are fixed, axes told by the layers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from flatfield.probe.marks import Source
from flatfield.probe.onnx.look import Look
from flatfield.probe.onnx.model import OnnxModel
from flatfield.probe.onnx.profile import probe_onnx
from flatfield.probe.profile import probe_module
from flatfield.report import ProbeReport

Array = npt.NDArray[np.float32]
RNG = np.random.default_rng(0)
DOWN, UP = (RNG.standard_normal(shape).astype(np.float32) for shape in ((3, 2, 3, 3), (3, 2, 3, 3)))


def saved(folder: Path, nodes: list[onnx.NodeProto], shape: tuple[int, ...], constants: dict[str, npt.NDArray]) -> Path:  # type: ignore[type-arg]
    """A file from x to y."""
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, s) for name, s in (("x", shape), ("y", None))]
    held = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], held)
    path = folder / "m.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path


def skip_connection(folder: Path, *, channels_last: bool) -> Path:
    """Down and up again and the input beside it, as converters from TensorFlow write it, or as PyTorch does."""
    node = helper.make_node
    inside = "inside" if channels_last else "x"
    nodes = [
        node("Conv", [inside, "down"], ["d"], "down", strides=[2, 2], pads=[1, 1, 1, 1]),
        node("Tanh", ["d"], ["r"]),
        node("ConvTranspose", ["r", "up"], ["u"], "up", strides=[2, 2], pads=[1, 1, 0, 0]),
        node("Concat", [inside, "u"], ["both" if channels_last else "y"], axis=1),
    ]
    if channels_last:
        nodes.insert(0, node("Transpose", ["x"], ["inside"], perm=[0, 3, 1, 2]))
        nodes.append(node("Transpose", ["both"], ["y"], perm=[0, 2, 3, 1]))
    shape = (1, 12, 16, 2) if channels_last else (1, 2, 12, 16)
    return saved(folder, nodes, shape, {"down": DOWN, "up": UP})


def test_channels_last_is_the_same_network(tmp_path: Path) -> None:
    example = RNG.standard_normal((1, 2, 12, 16)).astype(np.float32)
    found: list[ProbeReport] = []
    for last in (False, True):
        folder = tmp_path / str(last)
        folder.mkdir()
        path, fed = skip_connection(folder, channels_last=last), example.transpose(0, 2, 3, 1) if last else example
        look = Look.at(OnnxModel.load(path, [fed]), "")
        assert look.sources == {"x": Source((1, 2) if last else (2, 3), 2, (2, 2))}
        found.append(probe_onnx(path, [fed], patterns=True))
    first, second = found
    assert (first.start, second.start) == ("input", "input")
    assert first.period == second.period == (2, 2)
    np.testing.assert_allclose(second.tile, first.tile, atol=1e-6)
    assert second.unevenness == pytest.approx(first.unevenness, abs=1e-6)
    assert not second.unhonoured
    assert not second.missing


def test_a_size_that_a_file_has_fixed_is_no_factor(tmp_path: Path) -> None:
    """Upsampled to 16 x 16 whatever comes: on a field of another size it would be another network."""
    nodes = [
        helper.make_node("ConvTranspose", ["x", "up"], ["u"], "up", strides=[2, 2], pads=[1, 1, 0, 0]),
        helper.make_node("Resize", ["u", "", "", "size"], ["y"], "resize"),
    ]
    path = saved(tmp_path, nodes, (1, 3, 4, 4), {"up": UP, "size": np.array([1, 2, 16, 16])})
    report = probe_onnx(path, [(1, 3, 4, 4)], patterns=True)
    assert report.period == (4, 4)
    assert [x.name for x in report.missing] == ["ramp"]  # the example's own size has room for stripes
    assert report.stripes is not None
    assert "resizes to a size that it has fixed" in report.missing[0].reason


@pytest.mark.parametrize("fixed", [False, True])
def test_a_size_that_a_module_has_fixed_is_no_factor_either(fixed: bool) -> None:
    class Fixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.up = nn.ConvTranspose2d(2, 2, 3, 2, 1, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.up(x)
            size = (16, 16) if fixed else [2 * n for n in x.shape[2:]]
            return nn.functional.interpolate(x, size=size)

    report = probe_module(Fixed(), torch.randn(1, 2, 4, 4), patterns=True)
    assert report.period == (4, 4), "one position of the deconvolution's grid becomes two"
    assert [x.name for x in report.missing] == (["ramp"] if fixed else [])


def test_a_period_that_is_not_seen_is_not_told() -> None:
    class Summed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.up = nn.ConvTranspose1d(1, 1, 4, 2, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.up(x).cumsum(-1)

    report = probe_module(Summed(), torch.randn(1, 1, 8))
    assert report.unhonoured
    assert (report.period, report.tile, report.tile_shape) == ((), (), ())
    assert report.layers[0].period == ()
