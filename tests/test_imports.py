"""What an import loads: `import flatfield` nothing, the way to an ONNX file no torch."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

HEAVY = {"torch", "onnx", "onnxruntime", "typer", "rich", "numpy", "scipy", "polars", "hypothesis"}


def loaded(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds after running `code`."""
    ending = "import sys; print('LOADED', *{name.partition('.')[0] for name in sys.modules})"
    run = subprocess.run(
        [sys.executable, "-c", f"{code}\n{ending}"],
        capture_output=True, text=True, check=True, timeout=120, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    return set(run.stdout.rpartition("LOADED")[2].split())


def test_import_flatfield_loads_nothing() -> None:
    modules = loaded("import flatfield; assert flatfield.__version__")
    assert "flatfield" in modules
    assert modules & HEAVY == set()


@pytest.mark.parametrize(
    "module",
    ["flatfield.core", "flatfield.network", "flatfield.report", "flatfield.rules", "flatfield.checking",
     "flatfield.targets", "flatfield.examples"],
)  # fmt: skip
def test_what_analysis_loads(module: str) -> None:
    assert loaded(f"import {module}") & HEAVY <= {"numpy"}


@pytest.mark.parametrize("module", ["flatfield.cli", "flatfield.render", "flatfield.readers.input_spec"])
def test_the_command_line_loads_no_framework(module: str) -> None:
    assert loaded(f"import {module}") & HEAVY <= {"numpy", "rich", "typer"}


ONNX = """
import tempfile, onnx, numpy as np
from onnx import TensorProto, helper, numpy_helper
node = helper.make_node("ConvTranspose", ["x", "w"], ["y"], "up", strides=[2, 2])
ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, "h", "w"]) for name in "xy"]
weight = numpy_helper.from_array(np.ones((1, 1, 3, 3), np.float32), "w")
path = tempfile.mkdtemp() + "/up.onnx"
onnx.save(helper.make_model(helper.make_graph([node], "g", ends[:1], ends[1:], [weight])), path)
from typer.testing import CliRunner
from flatfield.cli import app
result = CliRunner().invoke(app, ["check", path, *OPTIONS])
assert result.exit_code == 1 and "FF001 up" in result.output, result.output
"""


@pytest.mark.parametrize(("options", "unwanted"), [([], {"torch"}), (["--no-probe"], {"torch", "onnxruntime"})])
def test_checking_an_onnx_file_loads_no_torch(options: list[str], unwanted: set[str]) -> None:
    modules = loaded(f"OPTIONS = {options}\n{ONNX}")
    assert {"flatfield", "onnx", "typer"} <= modules
    assert modules & unwanted == set()


def test_an_onnx_file_is_checked_where_torch_is_not_installed() -> None:
    absent = "import sys; sys.modules['torch'] = None; OPTIONS = []\n"
    assert "onnx" in loaded(absent + ONNX)


def test_the_tests_above_can_fail() -> None:
    assert loaded("import flatfield.readers.pytorch") & HEAVY >= {"torch", "numpy"}
    assert loaded("import flatfield; flatfield.check") & HEAVY == {"numpy"}


def test_a_name_that_does_not_exist_is_refused() -> None:
    import flatfield

    with pytest.raises(AttributeError, match="module 'flatfield' has no attribute 'chekc'"):
        flatfield.chekc  # noqa: B018
    assert "check" in dir(flatfield)
