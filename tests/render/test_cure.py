"""A cure on a terminal, as text, as JSON and as a page."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from flatfield.cure_report import (
    CurePlan,
    CureReport,
    CureStep,
    Figures,
    LayerUnevenness,
    OutputChange,
    Refusal,
)
from flatfield.render import CURE_FORMATS, plain_text, render_cure, render_plan
from flatfield.report import GradientReport, ProbeReport

HOSTILE = '<img src=x onerror="alert(1)">\x1b[2J\u202e'


def report(name: str = "up") -> CureReport:
    plan = CurePlan(
        f"{name}.onnx", "flatten",
        (CureStep(name, "ConvTranspose", "nearest flat weights", "unevenness 0.436"),),
        (Refusal(name, "Fold", "no weight decides"),),
    )  # fmt: skip
    tile = tuple(float(n) for n in (4, 2, 2, 1))
    before = Figures(
        (LayerUnevenness(name, 0.436),), ProbeReport(0.436, 3.0, (2, 2), tile=tile, tile_shape=(1, 2, 2)), 0.25, (2,),
        1e-9, 3600, 1.5,
    )  # fmt: skip
    after = Figures(
        (LayerUnevenness(name, 0.0),), ProbeReport(1e-8, 1e-8, (1, 1), tile=(2.25,), tile_shape=(1, 1, 1)), 0.01, (),
        0.4, 3600, 1.5,
    )  # fmt: skip
    return CureReport(plan, before, after, OutputChange(0.5, 1.0, 16.5), ("it costs something",), "0.1")


def test_everything_is_on_the_terminal() -> None:
    text = plain_text(render_cure(report()), width=100)
    for row in (
        r"up    ConvTranspose nearest flat weights unevenness 0\.436 0\.436 → flat",
        r"on a flat field: unevenness +0\.44 +1e-08",
        r"grid in natural outputs, rms +0\.25 +0\.01",
        r"periods found in them +2 \(p 1e-09\) +none \(p 0\.4\)",
        r"multiply-adds +3\.6k +3\.6k",
        r"milliseconds +1\.5 +1\.5",
        r"PSNR to the original's outputs +16\.5 dB",
        r"up \(Fold\): no weight decides",
        r"it costs something",
    ):
        assert re.search(row, text), f"{row}\n{text}"


@pytest.mark.parametrize("width", [60, 80, 160])
def test_no_line_is_wider_than_the_page(width: int) -> None:
    text = plain_text(render_cure(report("decoder.stages.0.upsample.very.long.name")), width=width)
    assert max(map(len, text.splitlines())) <= width


def test_a_plan_alone() -> None:
    text = plain_text(render_plan(report().plan), width=100)
    assert "nearest flat weights because" not in text
    assert "left as they are" in text


@pytest.mark.parametrize("form", ["html", "txt"])
def test_hostile_names_stay_text(form: str) -> None:
    page = CURE_FORMATS[form](report(HOSTILE))
    assert "\x1b" not in page
    assert "\u202e" not in page
    if form == "html":
        assert "<img src=x" not in page
        assert page.count("&lt;img src=x onerror=") >= 4


def test_the_page_has_the_plan_and_both_tiles() -> None:
    page = CURE_FORMATS["html"](report())
    pictures = re.findall(r'<img src="(data:image/png;base64,[^"]+)"', page)
    assert len(pictures) == 2
    assert pictures[0] != pictures[1]
    assert "unevenness 0.436 before, flat after" in page
    assert "default-src 'none'" in page
    assert "<script" not in page


def test_a_report_without_figures_is_a_page_too() -> None:
    page = CURE_FORMATS["html"](CureReport(CurePlan("m", "fuse")))
    assert "No layer is changed." in page
    assert "<img" not in page


def test_a_gradient_is_told() -> None:
    blurred = replace(report(), after=Figures(probe=ProbeReport(gradient=GradientReport(0.125, (2, 2)))))
    assert re.search(r"of a flat gradient: unevenness +0\.125", plain_text(render_cure(blurred), width=100))


def test_json_is_the_report() -> None:
    assert CureReport.from_json(CURE_FORMATS["json"](report(HOSTILE))) == report(HOSTILE)
