"""The page of `flatfield measure` in a browser: offline, hostile names, narrow and wide, light and dark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("polars", reason="the measure extra is not installed")

from PIL import Image
from typer.testing import CliRunner

from flatfield.cli import app
from flatfield.measure import plant

_NAMES = (
    "<script>document.title='run'<",
    "'quoted' & \"again\"",
    "line\nend",
    "\x1b[31mred",
    "a" * 180,
    "grid",
    "clean",
)
_MOST_BYTES = 6_000_000


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of 640 x 640 under names that mean something to HTML, measured by the command."""
    place = tmp_path_factory.mktemp("measured")
    for i, name in enumerate(_NAMES):
        noise = np.random.default_rng(i).normal(128, 8, (3, 640, 640))
        picture = plant(noise, (2, 4, 8)[i % 3], 4.0) if name != "clean" else noise
        pixels = picture.round().clip(0, 255).astype(np.uint8).transpose(1, 2, 0)
        Image.fromarray(pixels).save(place / f"{name}.png", compress_level=1)
    page = place / "results.html"
    told = CliRunner().invoke(app, ["measure", str(place), "-p", "2,4,8", "-o", str(page)])
    assert told.exit_code == 0, told.output
    return page


def test_size_at_its_largest(results: Path) -> None:
    """Noise can't be compressed, and every picture is as large as is shown: no run makes a larger page."""
    assert results.stat().st_size < _MOST_BYTES


@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (800, "dark"), (1600, "light")])
def test_page(browser: Any, results: Path, width: int, scheme: str) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text))
    page.on("request", lambda asked: complaints.append(asked.url) if asked.url.startswith("http") else None)
    page.goto(results.as_uri())
    assert page.title() == f"{len(_NAMES)} files measured · flatfield"
    assert page.locator("h1").inner_text() == f"{len(_NAMES) - 1} of {len(_NAMES)} with a grid"
    shown = page.locator("img").evaluate_all("images => images.map(i => i.complete && i.naturalWidth > 0)")
    assert len(shown) > 20
    assert all(shown)
    used = page.locator(".chart img").first.evaluate("image => image.currentSrc")
    offered = page.locator(".chart source" if scheme == "dark" else ".chart img").first
    assert used == offered.get_attribute("srcset" if scheme == "dark" else "src")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert complaints == []
    context.close()


def test_accessible(browser: Any, results: Path) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed")
    context = browser.new_context(color_scheme="dark", bypass_csp=True)  # axe is a script, which the page forbids
    page = context.new_page()
    page.goto(results.as_uri())
    faults = axe.Axe().run(page).response["violations"]
    assert [(f["id"], f["nodes"][0]["html"][:200]) for f in faults if f["impact"] in ("serious", "critical")] == []
    context.close()
