"""Export: a chart as SVG or PNG for documents and terminals, through vl-convert."""

from __future__ import annotations

from typing import Any

import vl_convert

from flatfield.figures.drawable import Drawable
from flatfield.figures.style import LIGHT, Palette, theme

_WIDTH = 560  # a chart that fills its container in a page needs a number on paper


def specification(chart: Drawable, *, width: int | None = None) -> dict[str, Any]:
    """Give a chart as Vega-Lite; `width` in pixels stands in for a container.

    >>> from flatfield.figures.divisible import divisible, divisible_rows
    >>> sorted(specification(divisible(divisible_rows())))[:2]
    ['$schema', 'data']
    """
    spec = chart.to_dict()
    spec.pop("config", None)  # the look comes from the palette, in a page and on paper alike
    if width is not None and spec.get("width") == "container":
        spec["width"] = width
    return spec


def to_svg(chart: Drawable, *, palette: Palette = LIGHT, width: int = _WIDTH) -> str:
    """Draw a chart as SVG.

    >>> from flatfield.figures.divisible import divisible, divisible_rows
    >>> to_svg(divisible(divisible_rows())).startswith("<svg")
    True
    """
    config = {**theme(palette), "background": palette.paper}
    return vl_convert.vegalite_to_svg(specification(chart, width=width), config=config)


def to_png(chart: Drawable, *, palette: Palette = LIGHT, width: int = _WIDTH, scale: float = 2.0) -> bytes:
    """Draw a chart as PNG, `scale` dots a pixel."""
    config = {**theme(palette), "background": palette.paper}
    return vl_convert.vegalite_to_png(specification(chart, width=width), config=config, scale=scale)
