"""The probe in `flatfield check`: on by default, off when asked, a reason where it fails; a picture of the grid."""

from __future__ import annotations

import io
import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

import flatfield
from flatfield.cli import app
from flatfield.examples import load
from flatfield.probe.profile import probe_module
from flatfield.render.tile_picture import tile_picture
from flatfield.report import ProbeReport, Report

RUN = CliRunner()


def checked(*arguments: str) -> str:
    result = RUN.invoke(app, ["check", "--fail-on", "never", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_the_profile_is_in_the_report(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    said = checked("example:deconv-last-two")
    assert "On a flat field, from stages.1.0" not in said
    assert "On a flat field, from stages.0.0.0 on: unevenness 0.689 (-3.2 dB)" in said
    assert "71.2%" in said
    checked("example:deconv-last-two", "-o", str(path))
    probe = json.loads(path.read_text())["probe"]
    assert probe["period"] == [4, 4]
    assert {"name", "alone", "share", "before", "after", "peak_to_peak", "period"} <= probe["layers"][0].keys()


def test_no_probe() -> None:
    assert "flat field" not in checked("example:deconv-last-two", "--no-probe")
    assert "flat field" not in checked("example:deconv-last-two", "--fake")


def test_an_onnx_file_is_probed_too(tmp_path: Path) -> None:
    example = load("deconv-last")
    path = tmp_path / "m.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(example.module, example.inputs, path, dynamo=False, opset_version=17)
    assert "period 2" in checked(str(path))
    assert "flat field" not in checked(str(path), "--no-probe")


def test_a_classifier_is_probed_backwards() -> None:
    said = checked("example:classifier")
    assert "Of a flat gradient at the output: unevenness 0.99" in said
    assert "mean over 32 random inputs" in said


class Moody(nn.Module):
    """Runs once or twice, then never again."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.ConvTranspose2d(1, 1, 3, 2)
        self.runs = [1, 2]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.runs.pop()
        result: torch.Tensor = self.layer(x)
        return result


def test_a_model_that_can_not_be_probed_is_listed_with_the_reason() -> None:
    report = flatfield.check(Moody(), (torch.ones(1, 1, 4, 4),))
    assert report.probe is None
    assert [(x.name, x.operator) for x in report.unread] == [("probe", "IndexError")]
    assert "the run on a flat field failed: pop from empty list" in report.unread[0].reason
    assert Report.from_json(report.to_json()) == report


@pytest.mark.parametrize("name", ["deconv", "vocoder", "unet3d", "resize"])
def test_the_picture_shows_the_tile(name: str) -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    example = load(name)
    report = probe_module(example.module, example.inputs)
    picture = np.asarray(image.open(io.BytesIO(tile_picture(report))))
    assert max(picture.shape[:2]) >= 256
    assert (int(picture.min()), int(picture.max())) == (
        (0, 255) if report.unevenness else (128, 128)
    ) or name == "resize"
    height = picture.shape[0] // 4
    assert np.array_equal(picture[:height], picture[height : 2 * height]), "the grid repeats"


def test_without_a_tile_there_is_no_picture() -> None:
    assert tile_picture(ProbeReport()) == b""
