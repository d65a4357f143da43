"""The docs of the probe run, and say what comes out."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flatfield.cli import app

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


def commands_to_copy() -> dict[str, str]:
    """The command of the GitHub Action and that of the hook, out of the files as they would be copied."""
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    action, hook = (yaml.safe_load(code) for code, _ in blocks("ci.md", "yaml"))
    assert action[True] == ["push", "pull_request"], "YAML 1.1 reads the key `on` as true; GitHub does not"
    job = action["jobs"]["flatfield"]
    assert job["runs-on"] == "ubuntu-latest"
    assert all(("uses" in step) != ("run" in step) for step in job["steps"])
    (command,) = (step["run"] for step in job["steps"] if step.get("run", "").startswith("flatfield"))
    (upload,) = (step["with"]["sarif_file"] for step in job["steps"] if "upload-sarif" in step.get("uses", ""))
    assert f"-o {upload}" in command
    (local,) = hook["repos"]
    (own,) = local["hooks"]
    assert (local["repo"], own["language"], own["pass_filenames"]) == ("local", "system", False)
    assert re.match(own["files"], "src/my_package/models/generator.py")
    return {"action": command, "hook": own["entry"]}


@pytest.mark.parametrize(("upsampling", "status"), [("resize", 0), ("deconv", 1)])
def test_the_commands_to_copy_run(
    upsampling: str, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "my_package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "models.py").write_text(
        "from flatfield.examples.generator import DcganGenerator\n\n"
        f"def generator():\n    return DcganGenerator(['{upsampling}', '{upsampling}']).eval()\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for command in commands_to_copy().values():
        for name in [name for name in sys.modules if name.partition(".")[0] == "my_package"]:
            monkeypatch.delitem(sys.modules, name)
        program, *arguments = shlex.split(command)
        assert program == "flatfield"
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == status, result.output
    assert json.loads((tmp_path / "flatfield.sarif").read_text())["version"] == "2.1.0"


def test_the_test_to_copy_passes(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text(blocks("ci.md", "ini")[0][0])
    (tmp_path / "test_mine.py").write_text(blocks("ci.md", "python")[0][0])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, cwd=tmp_path).stdout
    assert "1 passed" in said, said
