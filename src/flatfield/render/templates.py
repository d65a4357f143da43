"""Templates of the HTML pages, and how text of strangers meets them.

Names of models, layers and files are made printable, and escaped by Jinja2; a page forbids by its own policy
whatever is not its style or a picture inside it.
"""

from __future__ import annotations

import functools
from importlib.resources import files
from typing import TYPE_CHECKING

from flatfield.render.html_layers import times
from flatfield.render.palette import DARK, LIGHT, css_variables
from flatfield.render.printable import printable

if TYPE_CHECKING:
    import jinja2

_FOLDER = "pages"


@functools.cache
def pages() -> jinja2.Environment:
    """Give the templates of this package, with everything that they are given escaped and made printable.

    Raises `ValueError` where Jinja2 is not installed.

    >>> pages().from_string("{{ name }}").render(name="<b>")
    '&lt;b&gt;'
    """
    try:
        import jinja2  # noqa: PLC0415 - only who asks for a page needs it
    except ModuleNotFoundError:
        raise ValueError("HTML needs Jinja2: pip install 'flatfield[pages]'") from None
    pages = jinja2.Environment(
        loader=jinja2.PackageLoader("flatfield.render", _FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # what a report says is made printable; what this package marks as its own (Markup) is left alone
        finalize=lambda value: printable(value) if type(value) is str else value,
    )
    pages.filters["lines"], pages.filters["times"] = _lines, times
    # constants of this package, and no text of a report: they alone stand as they are
    pages.globals["style"] = _trusted((files("flatfield.render") / _FOLDER / "report.css").read_text("utf-8"))
    pages.globals["light"], pages.globals["dark"] = _trusted(css_variables(LIGHT)), _trusted(css_variables(DARK))
    return pages


def _lines(text: str) -> str:
    """Text of this package, escaped, with its line ends left as they are."""
    from markupsafe import escape  # noqa: PLC0415 - comes with Jinja2

    return escape(text)


def _trusted(text: str) -> str:
    from markupsafe import Markup  # noqa: PLC0415 - comes with Jinja2

    return Markup(text)
