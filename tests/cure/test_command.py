"""`flatfield cure`: the plan, the files that it writes, and what it refuses to write over."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from flatfield.cli import app
from flatfield.cure_report import CureReport
from flatfield.examples import load
from flatfield.targets import open_model

COMMAND = [sys.executable, "-m", "flatfield"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
FACTORY = """
import torch
from torch import nn

def up():
    torch.manual_seed(0)
    return nn.Sequential(nn.ConvTranspose2d(3, 3, 3, 2))
up.example_inputs = lambda: torch.randn(1, 3, 8, 8)

class Named(nn.Module):
    def __init__(self):
        super().__init__()
        self.add_module("<script>alert(1)</script>\\x1b[2J", nn.ConvTranspose2d(3, 3, 3, 2))

    def forward(self, x):
        return next(self.children())(x)

def hostile():
    return Named()
hostile.example_inputs = up.example_inputs
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a factory in it, to stand in."""
    (tmp_path / "nets.py").write_text(FACTORY, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    sys.modules.pop("nets", None)


@pytest.fixture
def run(folder: Path) -> Callable[..., Any]:
    """Run the command in the folder; an exception that is no exit status fails the test."""

    def run(*arguments: str) -> Any:
        result = CliRunner().invoke(app, ["cure", *arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"nets.py", "__pycache__"}


def write_onnx(path: Path) -> None:
    """One transposed convolution 3/2."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    node = helper.make_node("ConvTranspose", ["x", "w"], ["y"], "up", strides=[2, 2])
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2, "h", "w"]) for name in "xy"]
    weight = numpy_helper.from_array(np.random.default_rng(0).normal(size=(2, 2, 3, 3)).astype(np.float32), "w")
    graph = helper.make_graph([node], "g", ends[:1], ends[1:], [weight])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=10), path)


def refuse(*_: Any, **__: Any) -> NoReturn:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_plan_writes_nothing(run: Callable[..., Any], folder: Path) -> None:
    result = run("example:deconv-last", "--how", "flatten", "--plan")
    assert result.exit_code == 0
    assert "stages.2.0 ConvTranspose nearest flat weights unevenness 0.891" in result.stdout
    assert files(folder) == set()
    assert run("example:resize", "--how", "flatten", "--plan").exit_code == 1


def test_a_module_becomes_a_program_and_a_state(run: Callable[..., Any], folder: Path) -> None:
    result = run("example:deconv-last", "--how", "flatten", "-o", "clean.pt2", "--report", "cure.json")
    assert result.exit_code == 0, result.output
    assert files(folder) == {"clean.pt2", "clean.safetensors", "cure.json"}
    assert "the outputs change: " in result.stdout
    assert "dB PSNR to the original's. That is what it costs a finished model" in result.stdout
    report = CureReport.from_json((folder / "cure.json").read_text("utf-8"))
    assert report.after.probe is not None
    assert (report.after.probe.unevenness or 0.0) < 1e-6
    opened = open_model("clean.pt2")
    left = [layer.unevenness for layer in opened.network.layers if layer.upsamples]
    assert max(u or 0.0 for u in left) < 1e-6
    example = load("deconv-last")
    example.module.load_state_dict(load_file(folder / "clean.safetensors"))
    assert torch.allclose(example.module(*example.inputs), opened.model(*example.inputs), atol=1e-5)


def test_a_program_is_cured_too_for_any_batch(run: Callable[..., Any], folder: Path) -> None:
    program = torch.export.export(load("deconv-last").module, load("deconv-last").inputs)
    torch.export.save(program, folder / "model.pt2")
    before = (folder / "model.pt2").read_bytes()
    for how in ("flatten", "resize"):
        result = run("model.pt2", "--how", how, "-o", f"{how}.pt2")
        assert result.exit_code == 0, result.output
        assert (folder / "model.pt2").read_bytes() == before
        assert all((layer.unevenness or 0.0) < 1e-6 for layer in open_model(f"{how}.pt2").network.layers)


def test_an_onnx_file_becomes_one(run: Callable[..., Any], folder: Path) -> None:
    write_onnx(folder / "up.onnx")
    before = (folder / "up.onnx").read_bytes()
    for how in ("flatten", "resize", "correct"):
        result = run("up.onnx", "--how", how, "-o", f"{how}.onnx", "--report", f"{how}.html")
        assert result.exit_code == 0, result.output
        assert (folder / "up.onnx").read_bytes() == before
    left = [layer.unevenness for layer in open_model("flatten.onnx").network.layers if layer.upsamples]
    assert max(u or 0.0 for u in left) < 1e-6
    result = run("up.onnx", "--how", "recover", "-o", "x.onnx")
    assert result.exit_code == 2
    assert "'recover' is not to be had for this kind of model: take one of" in result.stderr


def test_the_constraint_is_written_where_asked(run: Callable[..., Any], folder: Path) -> None:
    for name, more in (("baked", ()), ("kept", ("--keep-constraint",))):
        assert run("nets:up", "--how", "flatten", "-o", f"{name}.pt2", *more).exit_code == 0
    assert sorted(load_file(folder / "baked.safetensors")) == ["0.bias", "0.weight"]
    assert sorted(load_file(folder / "kept.safetensors")) == ["0.bias", "0.parametrizations.weight.original"]


def test_examples_from_a_folder(run: Callable[..., Any], folder: Path) -> None:
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (24, 24, 3)).astype(np.uint8)
    (folder / "pictures").mkdir()
    Image.fromarray(pixels).save(folder / "pictures" / "a.png")
    result = run("nets:up", "--how", "flatten", "-o", "out.pt2", "-e", "pictures", "--range", "-1,1")
    assert result.exit_code == 0, result.output
    assert "batches of 36 crops of 1 pictures" in result.stdout


def test_a_recovery_on_the_command_line(run: Callable[..., Any], folder: Path) -> None:
    arguments = ("nets:up", "--how", "recover", "-e", "x.npy", "--steps", "3", "--checkpoint", "state.safetensors")
    np.save(folder / "x.npy", np.random.default_rng(0).normal(size=(24, 3, 8, 8)))
    assert run(*arguments, "--plan").exit_code == 0
    result = run(*arguments, "-o", "out.pt2")
    assert result.exit_code == 0, result.output
    assert "kernel 3 -> 4, nearest flat weights, trained" in result.stdout
    assert "imitating the original's corrected outputs" in result.stdout
    assert files(folder) == {"x.npy", "out.pt2", "out.safetensors", "state.safetensors"}


def test_a_state_that_was_there_is_never_written_over(run: Callable[..., Any], folder: Path) -> None:
    (folder / "out.safetensors").write_bytes(b"somebody's weights")
    result = run("example:deconv-last", "--how", "flatten", "-o", "out.pt2")
    assert result.exit_code == 2
    assert "out.safetensors is there and would be written over: move it away" in result.stderr
    assert (folder / "out.safetensors").read_bytes() == b"somebody's weights"
    assert not (folder / "out.pt2").exists()


@pytest.mark.parametrize("way", ["name", "link", "hard link", "state", "report"])
def test_it_is_never_written_over_the_original(way: str, run: Callable[..., Any], folder: Path) -> None:
    before = b"any model: it is refused before it is read"
    Path("model.pt2").write_bytes(before)
    output, report = Path("model.pt2"), ()
    if way == "link":
        output = Path("link.pt2")
        output.symlink_to("model.pt2")
    elif way == "hard link":
        output = Path("hard.pt2")
        output.hardlink_to("model.pt2")
    elif way == "state":
        Path("out.safetensors").symlink_to("model.pt2")
        output = Path("out.pt2")
    elif way == "report":
        Path("report.json").symlink_to("model.pt2")
        output, report = Path("out.pt2"), ("--report", "report.json")
    there = files(folder)
    result = run("model.pt2", "--how", "flatten", "-o", str(output), *report)
    assert result.exit_code == 2
    assert "is the original: give -o another name, it is never written over" in result.stderr
    assert (folder / "model.pt2").read_bytes() == before
    assert files(folder) == there


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nets:up", "--how", "flatten"), "give -o OUT.onnx or -o OUT.pt2"),
        (("nets:up", "--how", "flatten", "-o", "x.onnx"), "the cured model is a .pt2 file; give -o a name"),
        (("nets:up", "--how", "flatten", "-o", "no/x.pt2"), "there is no folder no; make it first"),
        (("nets:up", "--how", "flatten", "-o", "x.pt2", "--report", "x.pdf"), "ending '.pdf' is no format"),
        (("nets:up", "--how", "flatten", "-o", "x.pt2", "--range", "1,0"), "--range 1,0: black must be below white"),
        (("nets:up", "--how", "flatten", "-o", "x.pt2", "-e", "none"), "none is not there"),
        (("nowhere.pt2", "-o", "x.pt2"), "nowhere.pt2: no such file"),
        (("nets:up", "--how", "flatten", "-o", "x.pt2", "--steps", "5"), "steps and checkpoint are for recover"),
        (("nets:up", "--how", "recover", "-o", "x.pt2", "--checkpoint", "x.safetensors"), "need a name each"),
        (("nets:up", "--how", "flatten", "-o", "/dev/null"), "it is not a regular file"),
    ],
)
def test_bad_usage_is_one_line(arguments: tuple[str, ...], told: str, run: Callable[..., Any], folder: Path) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("flatfield: ")
    assert result.stderr.count("\n") == 1
    assert told in result.stderr
    assert files(folder) == set()


def test_nothing_to_do_writes_nothing(run: Callable[..., Any], folder: Path) -> None:
    result = run("example:resize", "--how", "flatten", "-o", "x.pt2")
    assert result.exit_code == 1
    assert "flatten changes nothing in example:resize (no layer needs it); nothing is written" in result.stderr
    assert files(folder) == set()


def test_a_full_disk_leaves_what_was_there(
    run: Callable[..., Any], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "clean.pt2").write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", refuse)
    result = run("nets:up", "--how", "flatten", "-o", "clean.pt2")
    assert result.exit_code == 2
    assert "can't be written: No space left on device; give -o a place where you may write" in result.stderr
    assert files(folder) == {"clean.pt2"}
    assert (folder / "clean.pt2").read_bytes() == b"old"


def test_a_limit_on_the_size_of_files(folder: Path) -> None:
    """The real thing, in a process of its own: the kernel refuses the write half way."""

    def small_files() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    result = subprocess.run(
        [*COMMAND, "cure", "nets:up", "--how", "flatten", "-o", "clean.pt2"],
        cwd=folder, env={**ENVIRONMENT, "PYTHONDONTWRITEBYTECODE": "1"}, capture_output=True, text=True, timeout=300,
        check=False, preexec_fn=small_files,
    )  # fmt: skip
    assert result.returncode == 2, result.stderr
    assert "can't be written: File too large" in result.stderr
    assert "Traceback" not in result.stderr
    assert files(folder) == set()


SLOW = """
import os, sys, time
from flatfield.cli import app
real = os.fsync
def slow(handle):
    real(handle)
    open("writing", "w").close()
    time.sleep(60)
os.fsync = slow
sys.argv = ["flatfield", "cure", "up.onnx", "--how", "flatten", "-o", "clean.onnx"]
app()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_killed_process_leaves_no_half_of_a_file(number: signal.Signals, folder: Path) -> None:
    """Killed while it writes: the names that were asked for don't exist; an interrupt leaves nothing at all.

    What SIGKILL leaves is a hidden temporary file, that nobody takes for a model.
    """
    write_onnx(folder / "up.onnx")
    with subprocess.Popen(
        [sys.executable, "-c", SLOW], cwd=folder, env=ENVIRONMENT, stderr=subprocess.DEVNULL
    ) as process:
        until = time.monotonic() + 300
        while not (folder / "writing").exists() and time.monotonic() < until:
            time.sleep(0.1)
        process.send_signal(number)
        process.wait(timeout=60)
    left = files(folder) - {"writing", "up.onnx"}
    assert all(name.startswith(".") and name.endswith(".part") for name in left)
    assert number is signal.SIGKILL or left == set()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write into a read-only folder")
def test_a_read_only_folder(run: Callable[..., Any], folder: Path) -> None:
    (folder / "shut").mkdir(mode=0o555)
    result = run("nets:up", "--how", "flatten", "-o", "shut/clean.pt2")
    assert result.exit_code == 2
    assert "Permission denied" in result.stderr


def test_hostile_names_stay_text(run: Callable[..., Any], folder: Path) -> None:
    result = run("nets:hostile", "--how", "flatten", "-o", "x.pt2", "--report", "x.html")
    assert "\x1b[2J" not in result.output
    if result.exit_code == 0:
        page = (folder / "x.html").read_text("utf-8")
        assert "<script>" not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    else:  # the exporter may not take such a name; the plan is shown all the same
        assert "can't be exported" in result.stderr
