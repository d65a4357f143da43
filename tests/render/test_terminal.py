"""What a person reads: names as they are, whatever they hold, on a page of any width."""

from __future__ import annotations

import dataclasses
import io
import unicodedata

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from rich.console import Console

from flatfield.render import FORMATS, printable, render_terminal, render_text
from flatfield.render.bars import big_number, phase_bars
from flatfield.report import LayerReport, OverlapRange, Report

from .reports import HOSTILE, one, reports, row, told


def on_terminal(report: Report, width: int, *, every_layer: bool = False) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system="truecolor")
    console.print(render_terminal(report, every_layer=every_layer))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@given(report=reports, width=st.integers(20, 300), every_layer=st.booleans())
@settings(
    max_examples=60, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate)
)  # shrinking takes minutes
def test_any_report_can_be_shown(report: Report, width: int, every_layer: bool) -> None:
    text = render_text(report, width=width, every_layer=every_layer)
    assert all(unicodedata.category(character)[0] != "C" for line in text.split("\n") for character in line)
    assert all(line == line.rstrip() for line in text.split("\n"))
    assert text.endswith("\n")


@pytest.mark.parametrize("name", [name for name in HOSTILE if name.strip()])
def test_hostile_names_are_shown_as_they_are_spelt(name: str) -> None:
    spelt = printable(name)
    text = render_text(one(name, target=name), width=200)
    assert text.count(spelt) >= 7  # title, table, finding, unread, profile, what was not honoured, advice
    assert spelt in on_terminal(one(name, target=name), 200)
    for escape in ("\x1b[2J", "\x07", "\x00", "\u202e"):
        assert escape not in on_terminal(one(name, target=name), 200)


def test_printable_leaves_every_language_alone_and_spells_the_rest() -> None:
    assert printable("größe/卷积.свёртка") == "größe/卷积.свёртка"
    assert printable("a\x1b[2J\u202e\n\ud800") == r"a\x1b[2J\u202e\n\ud800"


def test_the_page_of_a_small_report() -> None:
    report = Report(
        "model.onnx",
        (row("up"), row("flat", 0.0, overlap=OverlapRange(4, 4)), row("unknown", None), row("same", stride=(1, 1))),
        (told("up"), told("flat", "FF002", "warning"), told("flat", "FF009", "note")),
    )
    lines = render_text(report, width=160, every_layer=False).splitlines()
    assert lines[0] == "model.onnx"
    assert lines[1].split() == [
        "layer",
        "operator",
        "kernel",
        "stride",
        "overlap",
        "phases",
        "unevenness",
        "period",
        "mult-adds",
    ]
    assert lines[2].split() == ["up", "ConvTranspose", "3", "2", "1..4", "█▄▄▂", "0.316", "-10.0", "dB", "8", "1.23M"]
    assert lines[3].split() == ["flat", "ConvTranspose", "3", "2", "4", "█▄▄▂", "flat", "8", "1.23M"]
    assert lines[4].split()[6] == "unknown"
    assert lines[5] == "and 1 layer that keeps its positions one to one (--all lists them)"
    assert [line for line in lines if line and not line.startswith(" ")][-4:] == [
        "1 error",
        "1 warning",
        "1 note",
        "What to do: start with up: use something flat. More: flatfield explain FF001",
    ]
    assert "  FF001 up: 1 to 4 inputs write to an output\n    → use something flat\n" in "\n".join(lines)


@pytest.mark.parametrize("width", [80, 100, 110, 120, 200])
def test_the_names_of_the_layers_never_give_way(width: int) -> None:
    names = [f"decoder.stage{number}.upsample" for number in range(12)]
    wide = [row(name, 0.876, operator="ConvTranspose", phases=(1.0,) * 64) for name in names]
    lines = render_text(Report("model.onnx", tuple(wide)), width=width).splitlines()
    assert max(map(len, lines)) <= width
    assert "layer" in lines[1]
    table = "".join(line.split(" ")[0] for line in lines[2:])
    assert all(name in table for name in names)
    for heading in ("operator", "kernel", "stride", "overlap", "phases", "unevenness", "period"):
        assert heading in lines[1]


def test_nothing_found_is_said_in_a_line() -> None:
    assert render_text(Report("m")).splitlines()[-1] == "No layer draws a grid."
    quiet = dataclasses.replace(one("x"), findings=())
    assert "No understood layer draws a grid." in render_text(dataclasses.replace(quiet, probe=None))
    assert quiet.probe is not None
    assert "No rule names a layer, but on a flat field the output is uneven." in render_text(quiet)


def test_notes_are_gathered_where_there_are_many() -> None:
    many = Report("m", findings=tuple(told(f"layer{number}", "FF007", "note") for number in range(9)))
    text = render_text(many, width=160)
    assert "layer0: 1 to 4 inputs write to an output, and 8 more like it" in text
    assert "layer1" not in text


@pytest.mark.parametrize(
    ("tones", "shown"),
    [((), None), ((11025.0,), "11025.0 Hz"), ((5512.5, 11025.0), "5512.5, 11025.0 Hz"),
     (tuple(86.1 * q for q in range(1, 129)), "86.1 Hz and multiples")],
)  # fmt: skip
def test_tones_are_named(tones: tuple[float, ...], shown: str | None) -> None:
    layer: LayerReport = row("up", kernel=(16,), stride=(8,), period=(256,), tones=tones)
    for width in (80, 160):
        text = render_text(Report("vocoder", (layer,)), width=width)
        assert ("hums at" in text) == (shown is not None)
        assert shown is None or all(word in text for word in shown.split())


def test_bars_and_numbers() -> None:
    assert phase_bars([1.0, 0.5, 0.0, -1.0]) == "█▄▁▁"
    assert phase_bars([]) == phase_bars([0.0, 0.0]) == ""
    assert phase_bars([1.0] * 100, width=8) == "█" * 8 + "…"
    assert [big_number(n) for n in (0, 1000, 2_500_000_000, 10**13)] == ["0", "1k", "2.5G", "10T"]


def test_formats_are_those_of_the_command() -> None:
    assert set(FORMATS) == {"html", "json", "sarif", "txt"}
    report = one("up")
    assert FORMATS["json"](report) == report.to_json()
    assert FORMATS["txt"](report) == render_text(report)
