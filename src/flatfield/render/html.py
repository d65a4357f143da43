"""Report -> one HTML page without a line of script, and the same as a fragment for notebooks.

Names of models and layers come from files of strangers: see `templates` for how they meet the page.
"""

from __future__ import annotations

import zlib

from flatfield.render.html_layers import layer_views
from flatfield.render.html_probe import probe_view
from flatfield.render.manual import blocks
from flatfield.render.templates import pages
from flatfield.report import LEVELS, Report
from flatfield.rules import RULES

_SECTIONS = ("chain", "probe", "findings", "unread", "layers", "kept", "manuals")
"""The page from top to bottom: one template each, in `pages/check`."""


def render_html(report: Report) -> str:
    """Give a report as a page that needs no other file and no network.

    Raises `ValueError` where Jinja2 is not installed.

    >>> render_html(Report(target="<script>.onnx")).count("&lt;script&gt;.onnx")
    2
    """
    return pages().get_template("report.html").render(_view(report))


def render_fragment(report: Report) -> str:
    """Give a report as a piece of a page, for a notebook; its style touches nothing else.

    >>> render_fragment(Report(target="model.onnx"))[:29]
    '<div class="flatfield-report"'
    """
    return pages().get_template("body.html").render(_view(report))


def _view(report: Report) -> dict[str, object]:
    # two reports in one notebook must not share their anchors
    prefix = f"ff-{zlib.crc32(report.to_json().encode()):08x}-"
    views = layer_views(report, prefix)
    told = {finding.code for finding in report.findings}
    return {
        "report": report,
        "prefix": prefix,
        "sections": _SECTIONS,
        "chain": [view for view in views if view.resamples],
        "kept": [view for view in views if not view.resamples],
        "findings": [(level, [f for f in report.findings if f.level == level]) for level in LEVELS],
        "manuals": {rule.code: (rule, blocks(rule.manual)) for rule in RULES if rule.code in told},
        "counts": [(sum(f.level == level for f in report.findings), level) for level in LEVELS],
        "probe": probe_view(report.probe),
        "places": {view.name: view.anchor for view in views},
    }
