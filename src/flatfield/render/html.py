"""Report -> one HTML page without a line of script, and the same as a fragment for notebooks.

Names of models and layers come from files of strangers. They meet the page only through Jinja2 with autoescape, made
printable first, and the page forbids by its own policy whatever is not its style or a picture inside it.
"""

from __future__ import annotations

import functools
import zlib
from importlib.resources import files
from typing import TYPE_CHECKING

from flatfield.render.html_layers import layer_views, times
from flatfield.render.html_probe import probe_view
from flatfield.render.manual import blocks
from flatfield.render.palette import DARK, LIGHT, css_variables
from flatfield.render.printable import printable
from flatfield.report import LEVELS, Report
from flatfield.rules import RULES

if TYPE_CHECKING:
    import jinja2

_TEMPLATES = "pages"


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


@functools.cache
def pages() -> jinja2.Environment:
    """Give the templates of this package, with everything that they are given escaped and made printable.

    >>> pages().from_string("{{ name }}").render(name="<b>")
    '&lt;b&gt;'
    """
    try:
        import jinja2  # noqa: PLC0415 - only who asks for a page needs it
    except ModuleNotFoundError:
        raise ValueError("HTML needs Jinja2: pip install 'flatfield[pages]'") from None
    pages = jinja2.Environment(
        loader=jinja2.PackageLoader("flatfield.render", _TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # what a report says is made printable; what this package marks as its own (Markup) is left alone
        finalize=lambda value: printable(value) if type(value) is str else value,
    )
    pages.filters["lines"], pages.filters["times"] = _lines, times
    # constants of this package, and no text of a report: they alone stand as they are
    pages.globals["style"] = _trusted((files("flatfield.render") / _TEMPLATES / "report.css").read_text("utf-8"))
    pages.globals["light"], pages.globals["dark"] = _trusted(css_variables(LIGHT)), _trusted(css_variables(DARK))
    return pages


def _lines(text: str) -> str:
    """Text of this package, escaped, with its line ends left as they are."""
    from markupsafe import escape  # noqa: PLC0415 - comes with Jinja2

    return escape(text)


def _trusted(text: str) -> str:
    from markupsafe import Markup  # noqa: PLC0415 - comes with Jinja2

    return Markup(text)


def _view(report: Report) -> dict[str, object]:
    # two reports in one notebook must not share their anchors
    prefix = f"ff-{zlib.crc32(report.to_json().encode()):08x}-"
    views = layer_views(report, prefix)
    told = {finding.code for finding in report.findings}
    return {
        "report": report,
        "prefix": prefix,
        "chain": [view for view in views if view.resamples],
        "kept": [view for view in views if not view.resamples],
        "findings": [(level, [f for f in report.findings if f.level == level]) for level in LEVELS],
        "manuals": {rule.code: (rule, blocks(rule.manual)) for rule in RULES if rule.code in told},
        "counts": [(sum(f.level == level for f in report.findings), level) for level in LEVELS],
        "probe": probe_view(report.probe),
        "places": {view.name: view.anchor for view in views},
    }
