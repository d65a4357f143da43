"""What can't be read: exit status 2 and one line on standard error that says what, why and what to do."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flatfield.report import Report

Flatfield = Callable[..., Any]
SHAPE = ("--input", "1x1x4x4")


def refusal(result: Any) -> str:
    """The one line, after holding that it is one and that nothing else was said."""
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("flatfield: ")
    assert result.stderr.endswith("\n")
    assert result.stderr.count("\n") == 1
    assert all(character.isprintable() for character in result.stderr[:-1])
    return str(result.stderr)


@pytest.mark.parametrize(
    ("target", "what", "cure"),
    [
        ("missing.onnx", "there is no such file", "check the path"),
        ("missing.pt2", "no such file", "torch.export.save"),
        ("missing", "no such file", "a target is FILE.onnx, FILE.pt2, package.module:factory or example:NAME"),
        ("empty.onnx", "empty", "export or download it again"),
        ("empty.pt2", "torch.export.load refused it", "write it again"),
        ("text.onnx", "no ONNX file", "export or download it again"),
        ("text.pt2", "torch.export.load refused it", "write it again"),
        ("folder", "not a kind of model that flatfield reads", "a target is FILE.onnx"),
        ("folder.onnx", "can't be read", "check the path"),
        ("folder.pt2", "no such file", "torch.export.save"),
        ("text.txt", "not a kind of model that flatfield reads", "a target is FILE.onnx"),
        ("model.safetensors", "no such file", "a target is FILE.onnx"),
        ("model.pth", "a pickle can run code when it is loaded", "export the model to .onnx or .pt2"),
        ("missing.ckpt", "a pickle can run code when it is loaded", "package.module:factory"),
        ("example:nope", "there is no example 'nope'", "the examples are autoencoder, deconv"),
        ("example:", "there is no example ''", "the examples are"),
        (":up", "no such file", "package.module:factory"),
        ("mine:", "no such file", "package.module:factory"),
        (r"C:\models\up.h5", "no such file", "a target is"),
        ("no.such.package:up", "ModuleNotFoundError: No module named 'no'", "start where Python can import it"),
        ("broken:up", "SyntaxError", "start where Python can import it"),
        ("mine:upp", "has no attribute 'upp'", "check the spelling"),
        ("mine:up.name", "has no attribute 'name'", "check the spelling"),
        ("mine:raises", "RuntimeError: boom on a second line", "see that it runs without arguments"),
        ("mine:leaves", "SystemExit: 0", "see that it runs without arguments"),
        ("mine:turns", "RecursionError", "see that it runs without arguments"),
        ("mine:needs", "missing 1 required positional argument: 'size'", "see that it runs without arguments"),
        ("mine:number", "gave int, not a torch.nn.Module", "name a callable that returns one"),
        ("mine:FOUR", "has no attribute 'FOUR'", "check the spelling"),
        ("mine:torch", "gave module, not a torch.nn.Module", "name a callable that returns one"),
        ("mine:up", "no example input", "give --input 1x3x64x64"),
        ("mine:wrong_inputs", "ZeroDivisionError: division by zero", "give other inputs with --input"),
    ],
)  # fmt: skip
def test_targets(flatfield: Flatfield, folder: Path, target: str, what: str, cure: str) -> None:
    for name in ("empty.onnx", "empty.pt2", "model.pth"):
        (folder / name).touch()
    for name in ("text.onnx", "text.pt2", "text.txt"):
        (folder / name).write_text("this is a letter, not a network\n" * 9, encoding="utf-8")
    for name in ("folder", "folder.onnx", "folder.pt2"):
        (folder / name).mkdir()
    line = refusal(flatfield("check", target, "-o", "report.json"))
    assert target.removeprefix("missing").split(":")[0][:9] in line
    assert what in line
    assert cure in line
    assert not (folder / "report.json").exists()


@pytest.mark.parametrize(
    ("shape", "what"),
    [
        ("1x2x4x4", "expected input[1, 2, 4, 4] to have 1 channels"),
        ("1x1x1x4x4", "Expected 3D (unbatched) or 4D (batched) input"),
        ("1x1x4x4:int64", "expected scalar type"),
        ("1x1x4x4:float8", "dtype 'float8' is unknown; take one of float32"),
        ("1x1x4x4:", "is not a shape; write 1x3x64x64"),
        ("1x1x4xa", "is not a shape"),
        ("1,1,4,4", "is not a shape"),
        ("-1x1x4x4", "is not a shape"),
        ("", "is not a shape"),
        ("1x0x4x4", "has an empty axis"),
        ("99999999999x1", "is not a shape"),
        ("999999999x999999999x999999999", "give a smaller shape"),
        ("noise=1x1x4x4", "unexpected keyword argument 'noise'"),
        ("\x1b[31m", "is not a shape"),
    ],
)
def test_inputs(flatfield: Flatfield, shape: str, what: str) -> None:
    assert what in refusal(flatfield("check", "mine:up", "-i", shape))


def test_too_many_inputs(flatfield: Flatfield) -> None:
    assert "takes 2 positional arguments but 3 were given" in refusal(flatfield("check", "mine:up", *SHAPE, *SHAPE))


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("check", "example:deconv", "-o", "report.doc"), "ending '.doc' is no format; take .html, .json"),
        (("check", "example:deconv", "-o", "report"), "ending '' is no format"),
        (("check", "example:deconv", "--rate", "-1"), "rate -1.0 is not a sampling rate: give samples a second"),
        (("check", "example:deconv", "--rate", "nan"), "rate nan is not a sampling rate"),
        (("check", "example:deconv", "--select", "FF999"), "there is no rule 'FF999'; there are FF001"),
        (("check", "example:deconv", "--ignore", "all"), "there is no rule 'all'"),
        (("check", "-o", "report.json"), "name one, such as example:deconv"),
        (("check", "--format", "json"), "name one, such as example:deconv"),
        (("check", "--input", "1x1"), "name one, such as example:deconv"),
        (("explain", "nonsense"), "there is no rule 'nonsense'; there are FF001"),
        (("show", "missing.json"), "No such file or directory; write one with flatfield check TARGET -o report.json"),
        (("show", "."), "Is a directory; write one with"),
        (("show", "mine.py"), "not a flatfield report: not JSON"),
        (("show", "mine.py", "-o", "x.doc"), "is no format"),
    ],
)
def test_options(flatfield: Flatfield, arguments: tuple[str, ...], what: str) -> None:
    assert what in refusal(flatfield(*arguments))


@pytest.mark.parametrize(
    "arguments", [("check", "--format", "pdf"), ("check", "--nope"), ("nope",), ("show",), ("check", "a", "b")]
)
def test_a_command_that_is_spelt_wrong_is_answered_with_its_usage(
    flatfield: Flatfield, arguments: tuple[str, ...]
) -> None:
    result = flatfield(*arguments)
    assert result.exit_code == 2
    assert "Usage: " in result.stderr


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"\xff\xfe\x00", "not UTF-8"),
        (b'{"schema_version": 7}', "has schema_version 7, this flatfield reads 1"),
        (b'{"schema_version": 1, "target": "", "layers": [{}]}', "report.layers[0]"),
        (b"[" * 50_000, "not JSON"),
    ],
)
def test_reports(flatfield: Flatfield, folder: Path, content: bytes, what: str) -> None:
    (folder / "odd.json").write_bytes(content)
    line = refusal(flatfield("show", "odd.json"))
    assert "odd.json: " in line
    assert what in line


def test_a_pickle_is_not_even_opened(flatfield: Flatfield, folder: Path) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(folder / "exploded"),)

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Bomb()))
    for name in ("model.pt", "model.pth", "MODEL.PTH", "model.pkl", "model.bin", "model.pt2", "model.onnx"):
        (folder / name).write_bytes(buffer.getvalue())
        refusal(flatfield("check", name))
    assert not (folder / "exploded").exists()


def test_hostile_names_reach_no_terminal(flatfield: Flatfield, folder: Path) -> None:
    result = flatfield("check", "mine:hostile", *SHAPE)
    assert result.exit_code == 1
    assert r"FF001 [red]x[/red] :ok: \x1b[2J\n: kernel 3 x 3" in result.stdout
    assert "\x1b" not in result.stdout
    flatfield("check", "mine:hostile", *SHAPE, "-o", "report.json")
    report = Report.from_json((folder / "report.json").read_text(encoding="utf-8"))
    assert report.layers[0].name == "[red]x[/red] :ok: \x1b[2J\n"
    assert r"\x1b[2J" in refusal(flatfield("check", "mine\x1b[2J"))


def test_what_a_factory_prints_stays_out_of_the_report(flatfield: Flatfield) -> None:
    result = flatfield("check", "mine:talks", "--format", "json")
    assert json.loads(result.stdout)["target"] == "mine:talks"
    assert result.stderr == "hello from the factory\n"
