"""The probe in `flatfield check`: on by default, off when asked, a reason where it fails; a picture of the grid."""

from __future__ import annotations

import base64
import io
import json
import warnings
from dataclasses import replace
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
from flatfield.probe.unhonoured import NotFiniteError
from flatfield.render import render_html, render_text
from flatfield.render.html_probe import probe_view
from flatfield.report import Report

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


@pytest.mark.parametrize(("name", "periods"), [("deconv", 8), ("vocoder", 256), ("unet3d", 4), ("resize", 1)])
def test_the_picture_shows_the_tile(name: str, periods: int) -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    example = load(name)
    view = probe_view(probe_module(example.module, example.inputs))
    assert view is not None
    # the repeated tiles stand behind the one that is magnified
    address = view.pictures[-1].address.removeprefix("data:image/png;base64,")
    picture = np.asarray(image.open(io.BytesIO(base64.b64decode(address))))
    assert picture.shape[1] >= 32
    assert (int(np.ptp(picture)) == 0) is (name == "resize")
    assert np.array_equal(picture[:, :-periods], picture[:, periods:]), "the grid repeats"


class WithoutGradients(nn.Sequential):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            found: torch.Tensor = super().forward(x)
        return found


def test_a_run_backwards_that_fails_does_not_take_the_one_forwards_with_it() -> None:
    module = WithoutGradients(nn.Conv2d(1, 2, 4, 2, 1), nn.ConvTranspose2d(2, 1, 4, 2, 1))
    report = flatfield.check(module, (torch.randn(1, 1, 16, 16),))
    assert report.probe is not None
    assert report.probe.period == (2, 2)
    assert [(x.name, x.operator) for x in report.probe.missing] == [("gradient", "ValueError")]
    assert "not run: gradient: no output has a gradient to the input" in render_text(report)
    assert "not run: gradient: no output has a gradient to the input" in render_html(report)


def test_an_output_that_is_no_number_is_no_flat_one() -> None:
    module = nn.ConvTranspose2d(1, 1, 3, 2)
    nn.init.constant_(module.weight, float("nan"))
    report = flatfield.check(module, (torch.ones(1, 1, 4, 4),))
    assert report.probe is None
    assert report.unread[-1].operator == "NotFiniteError"
    with pytest.raises(NotFiniteError, match="not finite"):
        flatfield.assert_flat(module, torch.ones(1, 1, 4, 4))


def test_the_flat_field_begins_where_the_command_says() -> None:
    assert "On a flat field, from stages.2.0 on" in checked("example:deconv", "--at", "stages.2.0")
    for arguments, told in (
        (["example:deconv", "--at", "stages.9"], "no layer 'stages.9' ran; those that did: stages.0.0, stages.1.0"),
        (["example:deconv", "--at", "input"], "no output has positions that come from the flat field"),
        (["example:deconv", "--at", "stages.2.0", "--no-probe"], "--at says where the probe begins"),
        (["--at", "stages.2.0"], "take one target"),
    ):
        result = RUN.invoke(app, ["check", *arguments])
        assert result.exit_code == 2, result.output
        assert told in result.output
        assert len(result.output.splitlines()) == 1


def test_what_to_do_begins_with_the_layer_that_costs_most() -> None:
    """The first layer draws most of this grid, and the rules alone would begin with the one whose overlap is uneven."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.ConvTranspose2d(2, 2, 4, 2, 1), nn.Tanh(), nn.ConvTranspose2d(2, 1, 3, 2, 1, 1))
    linear = torch.tensor([0.5, 1.0, 0.5])
    with torch.no_grad():
        module[2].weight.mul_(0.01).add_(linear[:, None] * linear)  # almost flat
    report = flatfield.check(module, (torch.randn(1, 2, 8, 8),))
    assert report.probe is not None
    assert report.probe.guilty is not None
    assert (report.probe.guilty.name, report.findings[0].layer) == ("0", "2")
    assert "What to do: start with 0: " in render_text(report)
    assert "What to do: start with 2: " in render_text(replace(report, probe=None))
