"""The HTML report in a browser: hostile names show as text, nothing runs, nothing is fetched, nothing sticks out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flatfield.render.html import render_html
from flatfield.report import Finding, LayerReport, OverlapRange, ProbeReport, Report

_NAME = "</script><img src=x onerror=document.title='run'>" + "long." * 40


def hostile() -> Report:
    layer = LayerReport(
        name=_NAME, operator="ConvTranspose", kernel=(3, 3), stride=(2, 2), padding=((0, 0), (0, 0)), dilation=(1, 1),
        groups=1, weight_shape=(1, 1, 3, 3), overlap=OverlapRange(1, 4), unevenness=0.436, period=(2, 2),
        multiply_adds=1, input_size=(4, 4), output_size=(8, 8), phases=(1.6, 0.8, 0.8, 0.4),
    )  # fmt: skip
    probe = ProbeReport(0.436, 3.0, (2, 2), tile=(4.0, 2.0, 2.0, 1.0), tile_shape=(1, 2, 2))
    finding = Finding("FF001", "error", _NAME, _NAME, _NAME)
    return Report(target=_NAME, layers=(layer,), findings=(finding,), probe=probe)


@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (1200, "dark")])
def test_report(browser: Any, tmp_path: Path, width: int, scheme: str) -> None:
    path = tmp_path / "report.html"
    path.write_text(render_html(hostile()), encoding="utf-8")
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True, bypass_csp=False
    )
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text))
    page.on("request", lambda asked: complaints.append(asked.url) if asked.url.startswith("http") else None)
    page.goto(path.as_uri())
    assert page.title().startswith(_NAME)
    assert page.locator("h1").inner_text() == _NAME
    assert page.locator("img").evaluate_all("images => images.map(i => i.complete && i.naturalWidth)") == [2, 32]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.locator("article a").first.click()
    assert page.locator(":target").count() == 1
    assert complaints == []
    context.close()


def test_report_is_accessible(browser: Any, tmp_path: Path) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed")
    path = tmp_path / "report.html"
    path.write_text(render_html(hostile()), encoding="utf-8")
    context = browser.new_context(color_scheme="dark", bypass_csp=True)  # axe is a script, which the page forbids
    page = context.new_page()
    page.goto(path.as_uri())
    faults = axe.Axe().run(page).response["violations"]
    assert [(f["id"], f["nodes"][0]["html"][:200]) for f in faults if f["impact"] in ("serious", "critical")] == []
    context.close()
