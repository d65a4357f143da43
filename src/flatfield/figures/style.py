"""Style: the palettes of the pages as configurations for charts."""

from __future__ import annotations

from typing import Any

from flatfield.render.palette import DARK, LIGHT, LIT, Palette, css_variables

__all__ = ["DARK", "LIGHT", "LIT", "Palette", "css_variables", "theme"]

_FONT = "ui-sans-serif, system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"


def theme(palette: Palette) -> dict[str, Any]:
    """Give a palette as a Vega configuration, for a page or for `vl-convert`.

    >>> theme(LIGHT)["range"]["category"][0]
    '#0b4a82'
    """
    axis = {
        "labelColor": palette.muted, "titleColor": palette.muted, "domainColor": palette.line,
        "tickColor": palette.line, "gridColor": palette.line, "gridOpacity": 0.6, "labelFontSize": 12,
        "titleFontSize": 12, "titleFontWeight": "normal",
    }  # fmt: skip
    return {
        "background": "transparent",
        "font": _FONT,
        "view": {"stroke": None},
        "axis": axis,
        "legend": {
            "labelColor": palette.muted,
            "titleColor": palette.muted,
            "labelFontSize": 12,
            "titleFontSize": 12,
            "symbolStrokeWidth": 2.5,
            "symbolSize": 130,
            "gradientLength": 120,
            "gradientThickness": 12,
        },
        "header": {"labelColor": palette.ink, "titleColor": palette.ink},
        "title": {"color": palette.ink, "fontSize": 13, "anchor": "start", "fontWeight": "normal"},
        "text": {"color": palette.ink, "fontSize": 12},
        "range": {
            "category": list(palette.series),
            "heatmap": list(palette.ramp),
            "ramp": list(palette.ramp),
            "ordinal": list(palette.ramp),
        },
        "rule": {"color": palette.muted},
        "bar": {"color": palette.series[0], "stroke": palette.paper},
        "line": {"color": palette.series[0]},
        "point": {"color": palette.series[0]},
        "rect": {"stroke": palette.paper},
    }
