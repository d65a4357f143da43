"""`flatfield learn`: one file, whole or not at all, and one line where it can't be written."""

from __future__ import annotations

import importlib.util
import webbrowser
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import flatfield.learn
from flatfield.cli.learn import learn

_app = typer.Typer()
_app.command()(learn)


@pytest.fixture(autouse=True)
def _small_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page itself is tested elsewhere: drawing it takes seconds."""
    monkeypatch.setattr(flatfield.learn, "learn_page", lambda: "<!doctype html>")


def test_writes_the_page(tmp_path: Path) -> None:
    result = CliRunner().invoke(_app, ["-o", str(tmp_path / "page.html")])
    assert result.exit_code == 0
    assert (tmp_path / "page.html").read_text("utf-8") == "<!doctype html>"
    assert str(tmp_path / "page.html") in result.stdout


def test_without_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(_app, []).exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["learn.html"]


def test_opens_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    CliRunner().invoke(_app, ["-o", str(tmp_path / "a b.html"), "--open"])
    assert opened == [(tmp_path / "a b.html").as_uri()]


def test_no_such_folder(tmp_path: Path) -> None:
    result = CliRunner().invoke(_app, ["-o", str(tmp_path / "missing" / "page.html")])
    assert result.exit_code == 2
    assert "can't be written" in result.stderr
    assert "Traceback" not in result.output


def test_missing_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec

    def without_altair(name: str, package: str | None = None) -> Any:
        return None if name == "altair" else find(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", without_altair)
    result = CliRunner().invoke(_app, ["-o", str(tmp_path / "page.html")])
    assert result.exit_code == 2
    needed = "flatfield: this command needs altair, not installed; pip install 'flatfield[pages]'"
    assert result.stderr.strip() == needed
    assert list(tmp_path.iterdir()) == []
