"""What the site is made of besides its Markdown: a page a rule, the charts as SVG, and the interactive page."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from flatfield.figures.export import to_svg
from flatfield.learn import learn_page
from flatfield.learn.charts import charts
from flatfield.learn.hero import hero_pictures
from flatfield.rules import RULES

DARK_OR_LIGHT = re.compile(
    r'<picture><source media="\(prefers-color-scheme: dark\)" srcset="([^"]+)"><img src="([^"]+)"([^>]*)></picture>'
)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """List the rules' pages in the navigation: a page that stands nowhere in it is a warning, and an error here."""
    pages = [f"rules/{rule.code}.md" for rule in RULES]
    config.nav = [{"Rules": ["rules/index.md", *pages]} if "Rules" in entry else entry for entry in config.nav or []]
    return config


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Let pictures follow the site's switch, where a reader on GitHub sees what the system asks for."""
    return DARK_OR_LIGHT.sub(r'<img src="\2#only-light"\3><img src="\1#only-dark"\3>', markdown)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated files: nothing of them is kept by hand, so nothing of them can grow old."""
    for path, content in _generated():
        files.append(File.generated(config, path, content=content))
    return files


def _generated() -> Iterator[tuple[str, str | bytes]]:
    yield "learn.html", learn_page()
    yield "rules/index.md", _table()
    for rule in RULES:
        yield f"rules/{rule.code}.md", f"# {rule.code} {rule.name}\n\n*{rule.level}*\n\n{rule.manual.strip()}\n"
    for name, picture in zip(("field", "grid", "cured"), hero_pictures(), strict=True):
        yield f"charts/{name}.png", base64.b64decode(picture.address.partition(",")[2])
    for name, chart in charts().items():
        yield f"charts/{name}.svg", to_svg(chart)


def _table() -> str:
    rows = [f"| [{rule.code}]({rule.code}.md) | {rule.name} | {rule.level} | {rule.summary} |" for rule in RULES]
    head = "# Rules\n\n`flatfield explain FF001` prints the same manual in a terminal.\n"
    return "\n".join([head, "| code | name | level | what it finds |", "|---|---|---|---|", *rows, ""])
