"""The house: imports only go down, and some parts of it never see a deep-learning framework."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import flatfield

SOURCE = Path(flatfield.__file__).parent

FLOORS = (
    ("__main__",),
    ("cli", "lightning", "pytest_plugin"),
    ("lab", "figures", "learn"),
    ("cure",),
    ("checking",),
    ("rules", "probe", "render"),
    ("targets",),
    ("readers", "nn", "measure", "examples"),
    ("network", "report", "cure_report"),
    ("record",),
    ("core",),
)
"""From the roof to the ground; a part imports itself and what lies lower."""

BESIDE = {
    ("cure_report", "report"),  # a cure tells what the probe found before and after
    ("render", "rules"),  # SARIF carries the manuals of the rules
    ("report", "render"),  # a notebook asks the report itself how it looks
    ("learn", "figures"),  # the page is made of charts
    ("lab", "figures"),  # and so is the laboratory's report
}
"""Imports between two parts of one floor, each with its reason."""

PURE = ("core", "record", "network", "report", "cure_report", "rules", "render")
FRAMEWORKS = {"torch", "torchvision", "onnx", "onnxruntime", "tensorflow", "keras", "jax", "flax", "lightning"}


def imports(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Full names of everything a file imports, with the line; `import_module("name")` too, types included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import; write it in full"
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            yield from ((str(name.value), node.lineno) for name in node.args[:1] if isinstance(name, ast.Constant))


def part_of(name: str) -> str:
    """`flatfield.core.gain.FLAT` -> `core`; the package itself (its version) belongs to no floor."""
    parts = name.split(".")
    home = getattr(flatfield, "_HOMES", {}).get(".".join(parts[1:2]))  # `from flatfield import check`: where it lives
    if parts[0] == "flatfield" and home:
        return part_of(home)
    return parts[1] if parts[0] == "flatfield" and len(parts) > 1 and not parts[1].startswith("__version") else ""


def floor_of(part: str) -> int:
    found = [level for level, parts in enumerate(FLOORS) if part in parts]
    assert found, f"flatfield.{part} has no place in the house: give it a floor in FLOORS"
    return found[0]


def faults(part: str, source: str) -> list[str]:
    """Imports that a file of `part` must not make."""
    wrong = []
    for name, line in imports(ast.parse(source)):
        other = part_of(name)
        if part in PURE and name.split(".")[0] in FRAMEWORKS:
            wrong.append(f"line {line}: {part} imports the framework {name}")
        elif other and other != part and (part, other) not in BESIDE and floor_of(other) <= floor_of(part):
            wrong.append(f"line {line}: {part} imports {name}, which is not below it")
    return wrong


def files() -> list[Path]:
    return sorted(path for path in SOURCE.rglob("*.py") if path != SOURCE / "__init__.py")


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_only_go_down(path: Path) -> None:
    part = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    assert faults(part, path.read_text(encoding="utf-8")) == []


def test_every_part_has_a_floor() -> None:
    for path in files():
        floor_of(path.relative_to(SOURCE).parts[0].removesuffix(".py"))


@pytest.mark.parametrize(
    ("part", "source", "fault"),
    [
        ("core", "import torch", "core imports the framework torch"),
        ("rules", "from onnx import helper", "rules imports the framework onnx.helper"),
        ("render", "def f():\n    import jax.numpy as jnp", "line 2: render imports the framework jax.numpy"),
        ("report", "import importlib\nimportlib.import_module('tensorflow')", "imports the framework tensorflow"),
        ("network", "from flatfield.report import Report", "network imports flatfield.report.Report"),
        ("core", "from flatfield.network import Layer", "which is not below it"),
        ("readers", "from flatfield import checking", "readers imports flatfield.checking"),
        ("rules", "if TYPE_CHECKING:\n    from flatfield.render import FORMATS", "rules imports flatfield.render"),
        ("cure", "import flatfield.cli.check", "cure imports flatfield.cli.check"),
        ("core", "from flatfield import check", "core imports flatfield.check, which is not below it"),
    ],
)
def test_the_test_above_can_fail(part: str, source: str, fault: str) -> None:
    wrong = faults(part, source)
    assert len(wrong) == 1
    assert fault in wrong[0]


@pytest.mark.parametrize(
    ("part", "source"),
    [
        ("readers", "import torch\nfrom flatfield.network import Layer"),
        ("core", "import numpy\nfrom flatfield.core.taps import Ints"),
        ("cli", "from flatfield import __version__\nfrom flatfield.checking import report_on"),
        ("render", "from flatfield.rules import RULES"),
    ],
)
def test_what_goes_down_passes(part: str, source: str) -> None:
    assert faults(part, source) == []


def test_a_part_without_a_floor_is_refused() -> None:
    with pytest.raises(AssertionError, match=r"flatfield\.helpers has no place in the house"):
        faults("cli", "from flatfield.helpers import everything")


def test_a_relative_import_is_refused() -> None:
    with pytest.raises(AssertionError, match="relative import"):
        faults("core", "from . import gain")


def test_no_file_is_called_after_nothing() -> None:
    vague = {"utils", "util", "helpers", "helper", "common", "misc", "tools"}
    assert [path for path in files() if path.stem in vague] == []


def test_no_file_is_longer_than_a_person_reads() -> None:
    long = {str(path.relative_to(SOURCE)): lines for path in files() if (lines := _lines(path)) > 260}
    assert long == {}


def _lines(path: Path) -> int:
    return path.read_text(encoding="utf-8").count("\n")
