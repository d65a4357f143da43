"""A command whose libraries are not installed says which extra brings them."""

from __future__ import annotations

import importlib.util

import pytest
from typer.testing import CliRunner

from flatfield.cli import app


@pytest.mark.parametrize(
    ("arguments", "module", "extra"), [(["measure", "x.png"], "scipy", "measure"), (["learn"], "altair", "pages")]
)
def test_one_line_names_the_extra(
    arguments: list[str], module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == module else found(name, *rest))
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert (
        result.stderr.strip()
        == f"flatfield: this command needs {module}, not installed; pip install 'flatfield[{extra}]'"
    )
