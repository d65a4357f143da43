"""Pages look as they did when somebody last looked at them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("polars", reason="the measure extra is not installed")
pytest.importorskip("matplotlib", reason="Matplotlib, whose fonts the pages are set in, is not installed")

from .looks import KEPT, apart, kept, opened, pages, small, taken

_TOLERANCE = 12.0
"""Grey levels in the worst square. Measured: 1.0 to 4.4 on the machine that took the pictures (the palette they are
kept in), the same without subpixel text, and 1.0 to 8.7 where no font is installed but a serif one (`STIXGeneral`),
which the labels of charts inside pictures are then set in. 1.4 times the largest; faults are at 18 or more."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return pages(tmp_path_factory.mktemp("looks"))


def test_pages_look_as_they_did(browser: Any, files: dict[str, Path]) -> None:
    away = {name: round(apart(picture, kept(name)), 1) for name, picture in taken(browser, files)}
    assert sorted(away) == sorted(path.stem for path in KEPT.glob("*.png"))
    assert {name: levels for name, levels in away.items() if levels > _TOLERANCE} == {}


@pytest.fixture(scope="module")
def shown(browser: Any, files: dict[str, Path]) -> Iterator[dict[str, Any]]:
    open_pages = {name: opened(browser, path, "light") for name, path in files.items()}
    yield open_pages
    for page in open_pages.values():
        page.context.close()


@pytest.mark.parametrize(("name", "fault"), [
    ("learn-overlap", '[data-chart="overlap-line"] { visibility: hidden }'),
    ("learn-stack", '[data-chart="stack-damping"] .mark-rect path:first-child { fill: #c2689f }'),
    ("learn-gather", "#gather figcaption { font-size: 1.1rem }"),
    ("learn-uniform", "#uniform .controls { flex-direction: column }"),
    ("learn-header", ".hero img { image-rendering: auto }"),
    ("learn-yours", ".code button { position: static }"),
    ("check", ".bar rect:not(.track) { width: 0 }"),
    ("check", ".map rect { fill: none !important }"),
    ("measure", ".exhibit img { width: 120px !important }"),
    ("measure", ".beside { display: block !important }"),
])  # fmt: skip
def test_a_fault_is_seen(shown: dict[str, Any], name: str, fault: str) -> None:
    title, _, place = name.partition("-")
    page = shown[title]
    style = page.add_style_tag(content=fault)
    where = page.locator("header" if place == "header" else f"#{place}").first if place else page
    picture = small(where.screenshot(**({} if place else {"full_page": True})))
    style.evaluate("style => style.remove()")
    assert apart(picture, kept(f"{name}-light")) > 1.5 * _TOLERANCE
