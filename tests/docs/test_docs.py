"""The documentation: every block of Python is a doctest, every command is run, every page has a place."""

from __future__ import annotations

import doctest
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from flatfield.cli import app
from flatfield.rules import RULES

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
_FENCE = re.compile(r"^```(?P<language>[\w-]*)\n(?P<body>.*?)^```$", re.S | re.M)


def fences(page: Path, language: str) -> list[str]:
    """Bodies of the fenced blocks of a page in one language."""
    return [found["body"] for found in _FENCE.finditer(page.read_text("utf-8")) if found["language"] == language]


def name(page: Path) -> str:
    return str(page.relative_to(DOCS))


@pytest.mark.parametrize("page", [page for page in PAGES if fences(page, "python")], ids=name)
def test_python_runs(page: Path) -> None:
    pytest.importorskip("torch")
    session = "\n".join(fences(page, "python"))
    assert ">>>" in session, "write Python as a session, so that what it prints is tested"
    test = doctest.DocTestParser().get_doctest(session, {}, name(page), str(page), 0)
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    runner.run(test, out=said.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(said)


@pytest.mark.parametrize("page", [page for page in PAGES if fences(page, "console")], ids=name)
def test_commands_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    _write_model(tmp_path / "model.onnx")
    monkeypatch.chdir(tmp_path)
    for line in "".join(fences(page, "console")).splitlines():
        assert line.startswith("$ flatfield "), line
        words = shlex.split(line.removeprefix("$ flatfield "))
        result = CliRunner().invoke(app, words)
        assert result.exit_code in (0, 1), f"{line}\n{result.output}"
        assert result.exit_code == 0 or words[0] == "check", line
        if "-o" in words:
            assert (tmp_path / words[words.index("-o") + 1]).stat().st_size > 100


def test_every_page_is_in_the_navigation() -> None:
    told = (DOCS.parent / "mkdocs.yml").read_text("utf-8")
    listed = set(re.findall(r"[\w/]+\.md", told.partition("nav:")[2]))
    assert listed - {"rules/index.md"} == {name(page) for page in PAGES}


def test_generated_pages() -> None:
    pytest.importorskip("mkdocs", reason="MkDocs is not installed")
    names: dict[str, object] = {}
    exec((DOCS / "hooks.py").read_text("utf-8").replace("from __future__ import annotations\n", ""), names)
    table = names["_table"]
    assert callable(table)
    assert re.findall(r"\[(\w+)\]\(\1\.md\)", table()) == [rule.code for rule in RULES]


def _write_model(path: Path) -> None:
    """One deconvolution 3/2, as an ONNX file."""
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    node = helper.make_node("ConvTranspose", ["x", "w"], ["y"], "up", strides=[2, 2])
    sizes = (("x", [1, 1, 8, 8]), ("y", [1, 1, 17, 17]))
    ends = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, size) for name, size in sizes]
    weight = onnx.numpy_helper.from_array(np.ones((1, 1, 3, 3), np.float32), "w")
    graph = helper.make_graph([node], "up", ends[:1], ends[1:], [weight])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=10), path)
