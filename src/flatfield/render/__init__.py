"""Report -> text, JSON, SARIF, HTML: one small file a format; they compute nothing."""

from __future__ import annotations

from collections.abc import Callable

from flatfield.cure_report import CureReport
from flatfield.render.cure_html import render_cure_html
from flatfield.render.cure_terminal import render_cure, render_cure_text, render_plan
from flatfield.render.html import render_html
from flatfield.render.printable import printable
from flatfield.render.sarif import render_sarif
from flatfield.render.terminal import plain_text, render_terminal, render_text
from flatfield.report import Report

FORMATS: dict[str, Callable[[Report], str]] = {
    "json": Report.to_json,
    "sarif": render_sarif,
    "html": render_html,
    "txt": render_text,
}

CURE_FORMATS: dict[str, Callable[[CureReport], str]] = {
    "json": CureReport.to_json,
    "html": render_cure_html,
    "txt": render_cure_text,
}

__all__ = [
    "CURE_FORMATS",
    "FORMATS",
    "plain_text",
    "printable",
    "render_cure",
    "render_cure_html",
    "render_cure_text",
    "render_html",
    "render_plan",
    "render_sarif",
    "render_terminal",
    "render_text",
]
