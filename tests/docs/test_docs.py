"""The documentation: every block of Python is a doctest, every command is run, every page has a place."""

from __future__ import annotations

import contextlib
import doctest
import io
import itertools
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


def fences(page: Path) -> list[tuple[str, str]]:
    """Language and body of the fenced blocks of a page."""
    return [(found["language"], found["body"]) for found in _FENCE.finditer(page.read_text("utf-8"))]


def name(page: Path) -> str:
    return str(page.relative_to(DOCS))


@pytest.mark.parametrize(
    "page", [page for page in PAGES if {"python", "console"} & dict(fences(page)).keys()], ids=name
)
def test_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Top to bottom, in one folder: sessions give what they show; scripts and commands print the text below them."""
    pytest.importorskip("torch")
    _write_model(tmp_path / "model.onnx")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    blocks = [*fences(page), ("", "")]
    for (language, body), (behind, printed) in itertools.pairwise(blocks):
        if language == "console":
            _commands(body)
        elif language == "python" and ">>>" in body:
            _session(body, names, name(page))
        elif language == "python":
            with contextlib.redirect_stdout(io.StringIO()) as said:
                exec(body, names)
            assert said.getvalue() == (printed if behind == "text" else "")


def _session(body: str, names: dict[str, object], title: str) -> None:
    test = doctest.DocTestParser().get_doctest(body, names, title, title, 0)
    said: list[str] = []
    failed = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=said.append, clear_globs=False).failed
    assert failed == 0, "".join(said)
    names.update(test.globs)  # a doctest works on a copy


def _commands(body: str) -> None:
    """A block without a prompt is not run here: it takes minutes, or other people's files."""
    output = ""
    for line in body.splitlines() if body.startswith("$") else ():
        if line.startswith("$ flatfield "):
            output = _run(line.removeprefix("$ flatfield "))
        elif line != "...":
            assert line in output, f"{line!r} is not in\n{output}"


def _run(command: str) -> str:
    words = shlex.split(command)
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0 or (words[0] == "check" and result.exit_code == 1), f"{command}\n{result.output}"
    for option, path in itertools.pairwise(words):
        assert option != "-o" or Path(path).stat().st_size > 100
    return result.output


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


def test_the_picture_of_the_readme_is_what_the_networks_draw() -> None:
    pytest.importorskip("torch")
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    names: dict[str, object] = {"__file__": str(DOCS / "before_after.py"), "__name__": "before_after"}
    exec((DOCS / "before_after.py").read_text("utf-8").replace("from __future__ import annotations\n", ""), names)
    picture = names["picture"]
    assert callable(picture)
    kept = np.asarray(image.open(DOCS / "before-after.png"), dtype=int)
    assert np.abs(kept - picture()).max() <= 1  # another order of additions may round the other way


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
