"""Notebook: what a report shows of itself where a cell ends with it."""

from __future__ import annotations

import html

from flatfield.render.html import render_fragment
from flatfield.render.terminal import render_text
from flatfield.report import Report


def notebook_view(report: Report) -> str:
    """Give a report as a fragment of HTML; without Jinja2, as the terminal's text.

    >>> notebook_view(Report(target="model.onnx")).startswith("<div")
    True
    """
    try:
        return render_fragment(report)
    except ValueError:
        return f"<pre>{html.escape(render_text(report, every_layer=False))}</pre>"
