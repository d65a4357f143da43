"""The page of a measured run: names and errors of files show as text, whatever they hold; numbers as they are."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest

pytest.importorskip("jinja2", reason="Jinja2 is not installed")
pytest.importorskip("scipy", reason="the measure extra is not installed")

from flatfield.measure.exhibit import Exhibit, view_of
from flatfield.measure.pooled_spectrum import pooled_spectrum
from flatfield.measure.results import Bin, Results
from flatfield.measure.row import Row, Settings
from flatfield.render import printable
from flatfield.render.html_results import Drawing, glowing, render_results

from .reports import HOSTILE
from .skeleton import Skeleton

NAMES = [*HOSTILE, '" onload="alert(1)', "<!--", "]]>", "&lt;b&gt;", "\ud800", "{{ 7 * 7 }}", "a/</title><b>.png"]


def measured(name: str) -> Results:
    """A run over files that are all called `name`, one of each kind of trouble."""
    pixels = np.random.default_rng(0).normal(128, 8, (3, 40, 64)) + 3 * (-1.0) ** np.arange(64)
    row = Row(name, kind="picture", periods=(2,), strength=3.0, relative=0.4, p_value=1e-9, jpeg_grid=True, pictures=1,
              jpeg_periods=(8,), width=64, height=40, channels=3)  # fmt: skip
    sound = Row(name, kind="sound", periods=(4,), strength=-40.0, p_value=1e-5, tones=(5512.5,), channels=1)
    batch = Row(name, kind="batch", strength=0.2, relative=0.1, p_value=0.4, pictures=9, width=64, height=40)
    return Results(
        Settings(), files=5, errors=1, with_grid=2, strengths=(Bin(2.8, 4.0, 1, 0),), loudness=(Bin(-42, -36, 1, 0),),
        periods=((2, 1), (4, 1)), worst=(Exhibit(row, view_of(pixels, (2,)), (2,)),),
        median=(Exhibit(batch, None, trouble=name), Exhibit(batch, view_of(pixels, (3,)), (3,))),
        spectrum=pooled_spectrum([pixels]), rows=(row, sound, batch), failed=(Row(name, error=name),),
    )  # fmt: skip


def page(name: str) -> str:
    drawing = Drawing("<svg/>", "<svg/>", "how many")
    return render_results(measured(name), {"strengths": drawing, "lines": drawing}, "9.9")


@pytest.mark.parametrize("name", NAMES)
def test_hostile_names_are_text(name: str) -> None:
    plain, hostile = Skeleton(page("zqx")), Skeleton(page(name))
    assert hostile.elements == plain.elements
    assert {"script", "iframe", "object", "form"}.isdisjoint({element[0] for element in hostile.elements})
    assert all(not attribute.startswith("on") for element in hostile.elements for attribute in element[1:])
    assert not any(control in hostile.text for control in ("\x1b", "\x00", "\u202e", "\ud800"))
    if name.strip():
        assert hostile.text.replace(printable(name), "zqx") == plain.text


def test_addresses_stay_inside() -> None:
    values = Skeleton(page("zqx")).values
    addresses = [value for value in values if re.match(r"\s*[a-z]+:", value, re.IGNORECASE)]
    inside = r"data:image/(png|svg\+xml);base64,[\w+/=]*$|https://doi\.org/|width: \d+px$|top: [\d.]+%; left: "
    assert addresses
    assert all(re.match(inside, address) for address in addresses)
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in values


def test_what_the_page_says() -> None:
    text = Skeleton(page("zqx")).text
    for words in (
        "2 of 4 with a grid", "1 not readable", "periods 2 to 16", "period 2, 3.00 levels, 0.40 of the local detail",
        "JPEG's own grid: 8", "no grid found: 0.20 levels", "the first of 9 pictures", "It can't be shown: zqx",
        "Of 1 picture,", "5512.5 Hz", "zqx: zqx", "40 x 40 pixels, magnified",
    ):  # fmt: skip
        assert words in text, words


def test_a_run_without_a_grid_says_so() -> None:
    one = measured("zqx")
    clean = dataclasses.replace(one, worst=one.median, rows=one.rows[2:], with_grid=0)
    text = Skeleton(render_results(clean, {}, "9.9")).text
    assert "No picture shows a grid; these come nearest" in text
    assert "How strong" not in text


def test_pictures_grow_by_whole_numbers() -> None:
    """Any other factor would draw a grid of its own into what is looked at for a grid."""
    widths = [int(width) for width in re.findall(r"<img src=.data:image/png[^>]*style=.width: (\d+)px", page("zqx"))]
    assert widths == [256, 256, 240, 256, 256, 240, 256]  # 64, 40 and 32 pixels wide


def test_brighter_is_more_in_grey_too() -> None:
    ramp = glowing(np.linspace(0, 1, 64)[None]).astype(float) @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(ramp[0]) > 0).all()
    assert (glowing(np.zeros((2, 2))) == 0).all()
