"""Every command and option, and the exit statuses: 0 nothing at the level, 1 findings, 2 unreadable."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flatfield import __version__
from flatfield.examples import names
from flatfield.report import Report
from flatfield.rules import RULES

Flatfield = Callable[..., Any]
SHAPE = ("--input", "1x1x4x4")


@pytest.mark.parametrize(
    ("target", "options", "status"),
    [
        ("mine:up", SHAPE, 1),
        ("mine:flat", SHAPE, 0),
        ("mine:own_inputs", (), 1),
        ("mine:module", SHAPE, 1),
        ("mine:Up", ("-i", "picture=1x1x4x4"), 1),
        ("mine:up", ("--fake", "-i", "1x1x4x4:float32"), 1),
        ("mine:up", (*SHAPE, "--fail-on", "never"), 0),
        ("mine:up", (*SHAPE, "--ignore", "FF001"), 0),
        ("mine:up", (*SHAPE, "--ignore", "FF001", "--fail-on", "note"), 1),
        ("example:deconv-4", (), 0),
        ("example:deconv-4", ("--fail-on", "warning"), 1),
        ("example:resize", ("--fail-on", "warning"), 0),
        ("example:resize", ("--fail-on", "note"), 1),
        ("example:classifier", ("--fail-on", "error"), 0),
    ],
)
def test_exit_statuses(flatfield: Flatfield, target: str, options: tuple[str, ...], status: int) -> None:
    result = flatfield("check", target, *options)
    assert result.exit_code == status
    assert result.stdout.startswith(f"{target}\n")
    assert result.stderr == ""


def test_check_without_a_target_checks_what_ships(flatfield: Flatfield) -> None:
    result = flatfield("check", "--fail-on", "never")
    assert result.exit_code == 0
    assert result.stdout.startswith("example:deconv\n")
    table = result.stdout.partition("The networks that ship with flatfield\n")[2].splitlines()
    assert tuple(line.split()[0] for line in table[1 : 1 + len(names())]) == names()
    assert flatfield("check").exit_code == 1


def test_select_and_ignore(flatfield: Flatfield) -> None:
    def codes(*options: str) -> list[str]:
        result = flatfield("check", "example:deconv-last", "--format", "json", "--fail-on", "never", *options)
        return sorted({finding.code for finding in Report.from_json(result.stdout).findings})

    assert codes() == ["FF001", "FF008", "FF009"]
    assert codes("--select", "FF001", "--select", "undamped") == ["FF001", "FF009"]
    assert codes("--ignore", "ff008") == ["FF001", "FF009"]
    assert codes("--select", "FF001", "--ignore", "FF001") == []


def test_the_rate_names_tones(flatfield: Flatfield) -> None:
    text = flatfield("check", "example:vocoder", "--rate", "22050").stdout
    # periods of 256, 32 and 4 samples: 22050 / 256 = 86.13 Hz, / 32 = 689.06 Hz, / 4 = 5512.5 Hz and twice that
    for tone in ("86.1 Hz and multiples", "689.1 Hz and multiples", "5512.5, 11025.0 Hz"):
        assert tone in text
    assert "hums at" not in flatfield("check", "example:vocoder").stdout
    report = Report.from_json(flatfield("check", "example:vocoder", "--rate", "22050", "--format", "json").stdout)
    tones = {layer.name: layer.tones for layer in report.layers if layer.tones}
    assert tones["stages.2.upsample"] == (5512.5, 11025.0)
    assert len(tones["stages.0.upsample"]) == 128


def test_all_lists_every_layer(flatfield: Flatfield) -> None:
    short, long = flatfield("check", "example:deconv").stdout, flatfield("check", "example:vocoder", "--all").stdout
    assert "(--all lists them)" not in long
    assert "stages.0.blocks.0.convolutions.0" in long
    assert "stages.0.0" in short


@pytest.mark.parametrize("ending", ["json", "sarif", "txt", "JSON"])
def test_the_ending_says_the_format(flatfield: Flatfield, folder: Path, ending: str) -> None:
    result = flatfield("check", "example:deconv", "-o", f"report.{ending}")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "")
    written = (folder / f"report.{ending}").read_text(encoding="utf-8")
    assert written == flatfield("check", "example:deconv", "--format", ending.lower()).stdout
    start = {"json": '{\n  "schema_version": 1', "sarif": '{\n  "$schema"', "txt": "example:deconv\n"}[ending.lower()]
    assert written.startswith(start)


def test_format_overrides_the_ending(flatfield: Flatfield, folder: Path) -> None:
    assert flatfield("check", "example:deconv", "-o", "report.json", "--format", "sarif").exit_code == 1
    assert json.loads((folder / "report.json").read_text(encoding="utf-8"))["version"] == "2.1.0"
    assert flatfield("check", "example:deconv", "-o", "report.weird", "--format", "txt").exit_code == 1


def test_show_renders_a_saved_report_as_it_was(flatfield: Flatfield, folder: Path) -> None:
    first = flatfield("check", "example:vocoder", "--rate", "22050")
    flatfield("check", "example:vocoder", "--rate", "22050", "-o", "report.json")
    again = flatfield("show", "report.json")
    assert (again.exit_code, again.stdout) == (0, first.stdout)
    assert (
        flatfield("show", "report.json", "--all").stdout
        == flatfield("check", "example:vocoder", "--rate", "22050", "--all").stdout
    )
    for form in ("json", "sarif", "txt"):
        direct = flatfield("check", "example:vocoder", "--rate", "22050", "--format", form).stdout
        assert flatfield("show", "report.json", "--format", form).stdout == direct
    flatfield("show", "report.json", "-o", "again.json")
    assert (folder / "again.json").read_bytes() == (folder / "report.json").read_bytes()


def test_show_can_fail_too(flatfield: Flatfield) -> None:
    flatfield("check", "example:deconv", "-o", "report.json")
    assert flatfield("show", "report.json").exit_code == 0
    assert flatfield("show", "report.json", "--fail-on", "error").exit_code == 1


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_explain_prints_the_manual(flatfield: Flatfield, rule: object) -> None:
    code, name = rule.code, rule.name  # type: ignore[attr-defined]
    result = flatfield("explain", code.lower())
    assert result.exit_code == 0
    assert result.stdout.startswith(f"# {code} {name} (")
    assert rule.manual.strip() in result.stdout  # type: ignore[attr-defined]
    assert flatfield("explain", name).stdout == result.stdout


def test_explain_lists_the_rules(flatfield: Flatfield) -> None:
    lines = flatfield("explain").stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [rule.code for rule in RULES]
    assert all(rule.summary in line for rule, line in zip(RULES, lines[1:], strict=True))


def test_examples_are_listed(flatfield: Flatfield) -> None:
    result = flatfield("examples")
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines()[1:]] == [f"example:{name}" for name in names()]


@pytest.mark.parametrize("option", ["-h", "--help"])
@pytest.mark.parametrize("command", [(), ("check",), ("show",), ("explain",), ("examples",)])
def test_help(flatfield: Flatfield, command: tuple[str, ...], option: str) -> None:
    result = flatfield(*command, option)
    assert result.exit_code == 0
    assert "Usage: " in result.stdout


def test_version(flatfield: Flatfield) -> None:
    assert flatfield("--version").stdout == f"flatfield {__version__}\n"


def test_a_piped_report_has_one_finding_a_line_and_no_colour(flatfield: Flatfield) -> None:
    lines = flatfield("check", "example:vocoder").stdout.splitlines()
    findings = [line for line in lines if line.startswith("  FF")]
    assert len(findings) == 4
    assert max(map(len, findings)) > 120
    assert not any("\x1b" in line or line != line.rstrip() for line in lines)
