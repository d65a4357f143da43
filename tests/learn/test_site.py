"""The documentation as a person has it: built strictly, from a folder, offline; every link followed."""

from __future__ import annotations

import html.parser
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

pytest.importorskip("mkdocs", reason="MkDocs is not installed")

ROOT = Path(__file__).parents[2]
_LOOKED_AT = ("index", "probe", "nn", "ci", "guides/folder", "guides/upsampler", "rules/FF003", "reference/nn")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make docs` builds: warnings are errors."""
    place = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(place)]
    built = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    return place


class Links(html.parser.HTMLParser):
    """Where a page leads, and the places in it that can be led to."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.places = {""}
        self.feed(page.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("id", "name") and value:
                self.places.add(value)
            if value and (name == "src" or (name == "href" and tag in ("a", "link"))):
                self.links.append(value)


def test_every_link_leads_somewhere(site: Path) -> None:
    pages = {path.resolve(): Links(path) for path in site.rglob("*.html") if path.name != "404.html"}
    assert len(pages) > 25
    lost = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme:
                assert parts.scheme in ("https", "data"), link
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_file() or (target in pages and unquote(parts.fragment) not in pages[target].places):
                lost.append(f"{path.relative_to(site.resolve())}: {link}")
    assert lost == []


@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (1600, "dark")])
def test_pages_in_a_browser(browser: Any, site: Path, width: int, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed")
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda asked: complaints.append(asked.url) if asked.url.startswith("http") else None)
    for name in _LOOKED_AT:
        page.goto((site / f"{name}.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        page.wait_for_function("[...document.querySelectorAll('.md-typeset__scrollwrap')].every(w => w.tabIndex === 0)")
        # `preload` would have axe fetch the styles, which a page from a file may not
        faults = axe.Axe().run(page, options={"preload": False}).response["violations"]
        serious = [(f["id"], f["nodes"][0]["html"][:200]) for f in faults if f["impact"] in ("serious", "critical")]
        assert (name, serious) == (name, [])
    assert complaints == []
    context.close()
