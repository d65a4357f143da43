"""Every chart of the page as SVG and PNG, and the colours they are drawn in."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from flatfield.figures.export import specification, to_png, to_svg
from flatfield.figures.image_curves import curve_rows
from flatfield.figures.style import DARK, LIGHT, LIT, Palette
from flatfield.figures.upsamplers import upsampler_kernels
from flatfield.learn.charts import charts

CHARTS = charts()


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    bright, dim = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


@pytest.mark.parametrize("name", list(CHARTS))
@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_svg_has_marks(name: str, palette: Palette) -> None:
    svg = to_svg(CHARTS[name], palette=palette)
    marks = [
        element
        for element in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}path")
        if element.get("fill") not in (None, "none", "transparent", palette.paper) or element.get("stroke")
    ]
    assert len(marks) > 3
    assert palette.paper in svg


def test_png() -> None:
    assert to_png(CHARTS["overlap-rule"])[:8] == b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize("name", list(CHARTS))
def test_every_chart_is_described_and_has_the_pages_look(name: str) -> None:
    spec = specification(CHARTS[name])
    assert str(spec["description"]).endswith(".")
    assert "config" not in spec


def test_what_the_page_says_of_the_curves() -> None:
    rows = curve_rows(65)
    curves = {name: [r["images"] for r in rows if r["upsampler"] == name] for name in upsampler_kernels()}
    nearest, linear, cubic = (curves[name] for name in ("nearest", "linear", "cubic"))
    assert all(low < high for low, high in zip(linear[1:], nearest[1:], strict=True))
    quieter = [low < high for low, high in zip(cubic[1:], linear[1:], strict=True)]
    first, last = quieter.index(True), len(quieter) - quieter[::-1].index(True)
    assert 10 < first < last < 50
    assert all(quieter[first:last])


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_text_can_be_read(palette: Palette) -> None:
    assert contrast(palette.ink, palette.paper) > 12
    assert contrast(palette.muted, palette.paper) > 4.5
    assert contrast(palette.accent, palette.paper) > 4.5
    assert min(contrast(palette.ink, shade) for shade in palette.ramp) > 4.5
    assert contrast(LIT, palette.paper) > 3
    assert min(contrast(colour, palette.paper) for colour in palette.series) > 3  # WCAG 2.2, 1.4.11: lines and bars


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_colours_stay_apart_in_grey(palette: Palette) -> None:
    first = [luminance(colour) for colour in palette.series[:4]]
    ordered = first if first[0] < first[-1] else first[::-1]
    assert ordered == sorted(ordered)
    assert all(contrast(a, b) > 1.3 for a, b in zip(palette.series[:3], palette.series[1:4], strict=True))
    steps = [luminance(colour) for colour in palette.ramp]
    assert steps in (sorted(steps), sorted(steps, reverse=True))
