"""The page in a browser, as a person has it: from a file, with the network cut off."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flatfield.learn import learn_page

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

_CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="session")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("learn") / "learn.html"
    path.write_text(learn_page(), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    if _CHROMIUM is None:
        pytest.skip("no Chromium here: install Debian's chromium to open the pages")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=_CHROMIUM, args=list(_ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def opened(browser: Any, html: Path) -> Iterator[Callable[..., Any]]:
    """Open the page; whatever it complains of, or asks the network for, fails the test that opened it."""
    contexts = []

    def open_page(*, width: int = 1200, scheme: str = "light") -> Any:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
        contexts.append(context)
        page = context.new_page()
        page.complaints = []
        page.on("console", lambda said: page.complaints.append(said.text) if said.type != "log" else None)
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("request", lambda asked: page.complaints.append(asked.url) if _abroad(asked.url) else None)
        page.goto(html.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()


def _abroad(url: str) -> bool:
    return not url.startswith(("file:", "data:", "blob:"))


@pytest.fixture(scope="module")
def page(opened: Callable[..., Any]) -> Iterator[Any]:
    page = opened()
    settle(page)
    yield page
    assert page.complaints == []
    page.close()


def settle(page: Any) -> None:
    """Wait until every chapter has been drawn."""
    page.evaluate("flatfield.page.settle()")


@pytest.fixture
def turn(page: Any) -> Callable[..., None]:
    """Set controls of a chapter, as moving them would, and wait for the charts."""

    def set_controls(chapter: str, **values: Any) -> None:
        page.evaluate(
            """async ([chapter, values]) => {
                for (const [name, value] of Object.entries(values)) {
                    const control = document.querySelector(`#${chapter} [name="${name.replaceAll("_", "-")}"]`);
                    control.value = value;
                    if (control.value !== String(value)) throw new Error(`${name} can't be ${value}`);
                    control.dispatchEvent(new Event("input", { bubbles: true }));
                }
                await flatfield.page.settle();
            }""",
            [chapter, values],
        )

    return set_controls


@pytest.fixture
def shown(page: Any) -> Callable[[str, str], Any]:
    """Rows that a chart shows now."""

    def rows(chart: str, name: str) -> Any:
        plain = "rows => rows.map(row => Object.fromEntries(Object.entries(row)))"
        return page.evaluate(f"flatfield.page.shown('{chart}', '{name}').then({plain})")

    return rows


@pytest.fixture
def said(page: Any) -> Callable[[str, str], str]:
    """What a chapter says now in one of its places."""
    return lambda chapter, name: page.inner_text(f"#{chapter} [data-say='{name}']")
