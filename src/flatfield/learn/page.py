"""Page: the chapters, their charts and their arithmetic put together into one file that needs nothing else."""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import jinja2
import vl_convert
from markupsafe import Markup

from flatfield import __version__
from flatfield.figures.export import specification
from flatfield.figures.style import DARK, LIGHT, css_variables, theme
from flatfield.figures.upsamplers import upsampler_kernels
from flatfield.learn.charts import charts
from flatfield.learn.hero import hero_pictures


@dataclass(frozen=True)
class Chapter:
    """One chapter: its name is its anchor, its template and its script."""

    name: str
    title: str


CHAPTERS: tuple[Chapter, ...] = (
    Chapter("gather", "Convolution gathers, deconvolution spreads"),
    Chapter("uniform", "A uniform input"),
    Chapter("overlap", "Uneven overlap"),
    Chapter("stack", "Stacked layers"),
    Chapter("resize", "Resize-convolution"),
    Chapter("spectra", "Spectra"),
    Chapter("gradients", "Gradients"),
    Chapter("flat", "Flat weights"),
    Chapter("yours", "Your turn"),
)
"""The chapters in the order in which they are read."""

_SCRIPTS = ("layer", "plane", "weights", "rows", "rows_more", "page", "picture")


def learn_page() -> str:
    """Give the whole page as HTML: charts, styles, scripts and data inside, no address to fetch from.

    >>> learn_page().count("<section")
    9
    """
    loader = jinja2.PackageLoader("flatfield.learn", "html")
    pages = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    kernels = upsampler_kernels()
    return pages.get_template("page.html").render(
        version=__version__,
        chapters=CHAPTERS,
        hero=hero_pictures(),
        upsamplers=[(name, name) for name in kernels],
        light=Markup(css_variables(LIGHT)),
        dark=Markup(css_variables(DARK)),
        style=Markup(_text("style.css")),
        specs=embedded({name: specification(chart) for name, chart in charts().items()}),
        themes=embedded({"light": theme(LIGHT), "dark": theme(DARK)}),
        tables=embedded({"upsamplers": {name: kernel.tolist() for name, kernel in kernels.items()}}),
        vega=_script(_vega()),
        script=_script("\n".join(_sources())),
    )


def embedded(data: Any) -> Markup:
    r"""Write data as JSON that may stand in a script element: no `<` can end it, or begin a comment.

    >>> print(embedded("</script>"))
    "\u003c/script>"
    """
    return Markup(json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c"))


@functools.cache
def _vega() -> str:
    """Vega, Vega-Lite and Vega-Embed in one script; bundling them takes seconds."""
    bundle: str = vl_convert.javascript_bundle(None)  # type: ignore[arg-type] # the stub forgets the default
    return bundle


def _script(source: str) -> Markup:
    """A script may stand in the page as it is, unless it holds what would end it."""
    if re.search(r"</script|<!--", source, re.IGNORECASE):
        raise ValueError("a script that holds '</script' or '<!--' can't stand in a page: write the '<' another way")
    return Markup(source)


def _sources() -> list[str]:
    names = [*_SCRIPTS, *(f"chapters/{chapter.name}" for chapter in CHAPTERS), "start"]
    return [_text(f"js/{name}.js") for name in names]


def _text(name: str) -> str:
    return (files("flatfield.learn") / name).read_text(encoding="utf-8")
