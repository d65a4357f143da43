"""How large the pages are, and how soon a person sees something: `python -m benchmarks.pages`."""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flatfield.checking import check
from flatfield.learn import learn_page
from flatfield.render import render_html

OPENED = 7


def seen(browser: Any, page: Path) -> float:
    """Milliseconds from opening a file to its first text or picture, the median."""
    times = []
    for _ in range(OPENED):
        context = browser.new_context(offline=True)
        opened = context.new_page()
        opened.goto(page.as_uri())
        opened.wait_for_function("performance.getEntriesByName('first-contentful-paint').length")
        times.append(opened.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
        context.close()
    return float(statistics.median(times))


def main() -> int:
    """Print a row a page; 1 where there is no browser, or a page is over its goal."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    if chromium is None:
        print("no Chromium here: install Debian's chromium")
        return 1
    over = False
    print("| page | megabytes (goal 6) | made in s, processor | first view, ms (goal 1000) |\n|---|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        report = check("example:deconv")
        pages: dict[str, Callable[[], str]] = {
            "a line of text": lambda: "<!doctype html><title>empty</title><p>text",  # what the browser takes by itself
            "flatfield learn": learn_page,
            "flatfield check": lambda: render_html(report),
        }
        for name, make in pages.items():
            start = time.process_time()
            page = Path(folder) / "page.html"
            page.write_text(make(), encoding="utf-8")
            made, size, view = time.process_time() - start, page.stat().st_size / 1e6, seen(browser, page)
            print(f"| {name} | {size:.2f} | {made:.1f} | {view:.0f} |")
            over |= size > 6 or view > 1000
    return int(over)


if __name__ == "__main__":
    raise SystemExit(main())
