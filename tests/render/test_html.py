"""The HTML report: whatever a report says, it says as text; the page has no script, and fetches nothing."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from flatfield.core import phase_gains
from flatfield.core.grid_lines import grid_lines
from flatfield.render import FORMATS, printable
from flatfield.render.html import render_fragment, render_html
from flatfield.render.manual import blocks
from flatfield.report import (
    Finding,
    LayerReport,
    OverlapRange,
    ProbeLayerReport,
    ProbeReport,
    Report,
    ToneReport,
    UnreadReport,
)
from flatfield.rules import RULES

from .reports import HOSTILE, reports
from .skeleton import Skeleton

pytest.importorskip("jinja2", reason="Jinja2 is not installed")


def everything(name: str) -> Report:
    """A report that says `name` wherever a report can say anything."""
    layer = LayerReport(
        name=name, operator=name, kernel=(3, 3), stride=(2, 2), padding=(), dilation=(), groups=1, weight_shape=(),
        overlap=OverlapRange(1, 4), unevenness=0.4, period=(2, 2), multiply_adds=9, mode=name, input_size=(4, 4),
        output_size=(8, 8), phases=(4.0, 2.0, 2.0, 1.0),
    )  # fmt: skip
    upsampler = dataclasses.replace(layer, operator="ConvTranspose")
    kept = dataclasses.replace(layer, stride=(1, 1), phases=())
    probe = ProbeReport(
        0.4, 1.0, (2, 2), (ProbeLayerReport(name, name, 0.0, 0.4, 0.4, 1.0, 1.0, (2, 2)),), start=name,
        tile=(1.0, 0.0, 0.5, 0.2), tile_shape=(1, 2, 2), tones=(ToneReport(5.0, -3.0),), ramp=0.1, stripes=0.2,
        unhonoured=(UnreadReport(name, name, name),), missing=(UnreadReport(name, name, name),),
    )  # fmt: skip
    return Report(
        target=name, layers=(layer, upsampler, kept), probe=probe, version=name,
        unread=(UnreadReport(name, name, name),),
        findings=(Finding("FF001", "error", name, name, name), Finding(name, "note", name, name, name)), rate=8000.0,
    )  # fmt: skip


@pytest.mark.parametrize("name", [*HOSTILE, '" onload="alert(1)', "<!--", "]]>", "&lt;b&gt;", "\ud800", "{{ 7 * 7 }}"])
def test_hostile_names_are_text(name: str) -> None:
    plain, hostile = Skeleton(render_html(everything("zqx"))), Skeleton(render_html(everything(name)))
    assert hostile.elements == plain.elements
    assert "script" not in {element[0] for element in hostile.elements}
    assert "\x1b" not in hostile.text
    if name.strip():
        assert hostile.text.replace(printable(name), "zqx") == plain.text


@given(report=reports)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_report_becomes_a_page(report: Report) -> None:
    page = Skeleton(render_html(report))
    assert {element[0] for element in page.elements}.isdisjoint({"script", "iframe", "object", "link", "form"})
    assert all(not name.startswith("on") for element in page.elements for name in element[1:])
    addresses = [value for value in page.values if re.match(r"\s*[a-z]+:", value, re.IGNORECASE)]
    assert all(re.match(r"data:image/png;base64,|https://doi\.org/|width: ", address) for address in addresses)


def test_every_link_has_its_place() -> None:
    page = render_html(everything("up"))
    anchors = set(re.findall(r' id="([^"]+)"', page))
    links = set(re.findall(r'href="#([^"]+)"', page))
    assert links
    assert links <= anchors


def test_what_the_page_says() -> None:
    page = Skeleton(render_html(everything("stages.0")))
    for words in (
        "1 error", "0.400 (-8.0 dB)", "1 to 4", "4.00", "100.0%", "8000.0 Hz", "no warnings", "5.0 Hz -3 dB",
        "unevenness along stripes", "Why is this bad?", "not honoured: stages.0",
        "not run: stages.0", "not exact",
    ):  # fmt: skip
        assert words in page.text, words


def test_no_grid_is_said() -> None:
    assert "No layer draws a grid." in Skeleton(render_html(Report("m"))).text
    unread = Report("m", unread=(UnreadReport("a", "b", "c"),))
    assert "No understood layer draws a grid." in Skeleton(render_html(unread)).text


def test_policy_forbids_what_the_page_does_not_need() -> None:
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in Skeleton(render_html(Report("m"))).values


def test_notebook() -> None:
    report = everything("up")
    fragment = report._repr_html_()
    assert fragment == render_fragment(report)
    assert Skeleton(fragment).elements[0][0] == "div"
    other = dataclasses.replace(report, target="another")
    ids = [set(re.findall(r' id="([^"]+)"', text)) for text in (fragment, other._repr_html_())]
    assert ids[0]
    assert ids[0].isdisjoint(ids[1])


def test_without_jinja2(monkeypatch: pytest.MonkeyPatch) -> None:
    from flatfield.render import html as module

    def missing() -> Any:
        raise ValueError("HTML needs Jinja2: pip install 'flatfield[pages]'")

    monkeypatch.setattr(module, "pages", missing)
    with pytest.raises(ValueError, match=r"flatfield\[pages\]"):
        FORMATS["html"](Report("m"))
    assert Report("<m>")._repr_html_().startswith("<pre>&lt;m&gt;")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_manuals_are_cut_into_blocks(rule: Any) -> None:
    found = blocks(rule.manual)
    assert [block.parts[0] for block in found if block.kind == "heading"][:2] == ["What it does", "Why is this bad?"]
    assert all(len(block.parts) % 2 == 1 for block in found)
    words = re.sub(r"[`#\s]|python", "", rule.manual)
    assert re.sub(r"[`#\s]|python", "", "".join("".join(block.parts) for block in found)) == words


def test_lines_of_a_grid() -> None:
    gains = phase_gains(np.ones((1, 1, 3, 3)), 2)[..., 0, 0]
    np.testing.assert_allclose(grid_lines(gains), [[0, 1 / 3], [1 / 3, 1 / 9]], atol=1e-12)
    assert grid_lines(np.array([1.0, -1.0])).tolist() == [0.0, 1.0]
    assert grid_lines(np.zeros(4)).tolist() == [0.0] * 4
