"""The docs of the probe run, and say what comes out."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"```(\w+)\n(.*?)```(?:\s*```text\n(.*?)```)?", re.S)


def blocks(name: str, language: str) -> list[tuple[str, str]]:
    text = (DOCS / name).read_text(encoding="utf-8")
    return [(code, printed) for kind, code, printed in BLOCK.findall(text) if kind == language]


def test_every_block_of_the_page_prints_what_it_says() -> None:
    scope: dict[str, object] = {}
    found = blocks("probe.md", "python")
    assert len(found) >= 6
    for code, printed in found:
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            exec(compile(code, "docs/probe.md", "exec"), scope)
        assert said.getvalue() == printed


def test_the_files_to_copy_are_files() -> None:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    action, hook = (yaml.safe_load(code) for code, _ in blocks("ci.md", "yaml"))
    commands = [step["run"] for step in action["jobs"]["flatfield"]["steps"] if "run" in step]
    assert any("flatfield check" in command and "--fail-on" in command for command in commands)
    assert hook["repos"][0]["hooks"][0]["entry"].startswith("flatfield check")
