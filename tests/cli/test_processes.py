"""The command as a process of its own: from an empty folder, down a pipe, on a terminal of 80 columns."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from flatfield.examples import names

COMMAND = [sys.executable, "-m", "flatfield"]
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "FORCE_COLOR", "NO_COLOR")}
ENVIRONMENT |= {"OMP_NUM_THREADS": "1", "TERM": "xterm-256color"}
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
#: What is said while it takes and erased again: back to the line's start, or one line up, then "erase line".
ERASED = re.compile(r"[^\n]*(?:\n\x1b\[\?25h\r\x1b\[1A\x1b\[2K|\r\x1b\[2K)|\x1b\[\?25[lh]")


def run(*arguments: str, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], cwd=folder, env={**ENVIRONMENT, **more}, capture_output=True,
        text=True, encoding=more.get("PYTHONIOENCODING", "utf-8"), timeout=120, check=False,
    )  # fmt: skip


def on_terminal(*arguments: str, folder: Path, columns: int) -> tuple[int, list[str]]:
    """Exit status and lines that stay on a terminal of that width when the command has ended."""
    pty = pytest.importorskip("pty", reason="there are no pseudo-terminals here")
    import fcntl
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    with subprocess.Popen(
        [*COMMAND, *arguments], cwd=folder, env=ENVIRONMENT, stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        written = b""
        while True:
            try:
                part = os.read(ours, 1 << 16)
            except OSError:  # Linux says so when the last writer is gone
                break
            if not part:
                break
            written += part
        status = process.wait(timeout=120)
    os.close(ours)
    return status, ERASED.sub("", COLOUR.sub("", written.decode()).replace("\r\n", "\n")).split("\n")


def test_a_report_from_an_empty_folder_and_back(tmp_path: Path) -> None:
    first = run("check", "example:deconv", folder=tmp_path)
    assert (first.returncode, first.stderr) == (1, "")
    assert run("check", "example:deconv", "-o", "report.json", folder=tmp_path).returncode == 1
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]
    assert run("show", "report.json", folder=tmp_path).stdout == first.stdout


def test_bad_input_has_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "noise.onnx").write_bytes(bytes(range(256)) * 9)
    result = run("check", "noise.onnx", "-o", "report.json", folder=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert re.fullmatch(r"flatfield: noise\.onnx can't be read: [^\n]+; [^\n]+\n", result.stderr)
    assert [path.name for path in tmp_path.iterdir()] == ["noise.onnx"]


def test_a_reader_that_went_away_is_no_failure_to_report(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)  # as `| head` does when it has seen enough
    command = [*COMMAND, "check", "example:deconv", "--format", "json"]
    result = subprocess.run(
        command, cwd=tmp_path, env=ENVIRONMENT, stdout=writing, stderr=subprocess.PIPE, timeout=120, check=False
    )
    os.close(writing)
    assert result.stderr == b""


def test_an_encoding_without_bars_shows_question_marks(tmp_path: Path) -> None:
    result = run("check", "example:deconv", folder=tmp_path, PYTHONIOENCODING="cp1252")
    assert (result.returncode, result.stderr) == (1, "")
    assert "stages.0.0    ConvTranspose  3       2       1..4     ????" in result.stdout


@pytest.mark.parametrize("columns", [80, 160])
def test_a_terminal(tmp_path: Path, columns: int) -> None:
    status, lines = on_terminal("check", "example:deconv-last-two", folder=tmp_path, columns=columns)
    assert status == 1
    assert max(map(len, lines)) <= columns
    table = "\n".join(lines).partition("\n\n")[0]
    for layer in ("stages.0.0.0", "stages.1.0", "stages.2.0"):
        assert re.search(rf"^{re.escape(layer)} ", table, re.MULTILINE), table
    assert ("mult-adds" in table) == (columns == 160)


def test_the_overview_fits_80_columns(tmp_path: Path) -> None:
    status, lines = on_terminal("check", "--fail-on", "never", folder=tmp_path, columns=80)
    assert status == 0
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    assert all(re.search(rf"^{re.escape(name)} ", text, re.MULTILINE) for name in names())
    assert "…" not in text.partition("The networks that ship")[2]


def test_sizes_for_an_onnx_file(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    node = helper.make_node("ConvTranspose", ["x", "w"], ["y"], "up", strides=[2, 2])
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, "h", "w"]) for name in "xy"]
    weight = numpy_helper.from_array(np.ones((1, 1, 3, 3), np.float32), "w")
    onnx.save(helper.make_model(helper.make_graph([node], "g", ends[:1], ends[1:], [weight])), tmp_path / "up.onnx")
    for spelling in ("1x1x5x7", "x=1x1x5x7"):
        result = run("check", "up.onnx", "--input", spelling, "--format", "json", folder=tmp_path)
        assert result.returncode == 1, result.stderr
        assert '"input_size": [\n        5,\n        7\n      ]' in result.stdout
    for arguments, why in (
        (("-i", "1x2x5x7"), "1x2x5x7 does not fit"),
        (("-i", "z=1x1x5x7"), "no input 'z'"),
        (("-i", "1x1x5x7", "-i", "x=1x1x5x7"), "name all of them, or none"),
    ):
        result = run("check", "up.onnx", *arguments, folder=tmp_path)
        assert (result.returncode, result.stderr.count("\n")) == (2, 1)
        assert why in result.stderr
