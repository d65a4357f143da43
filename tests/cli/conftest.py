"""A folder of a person's own, with a few factories in it, and the command run in it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from flatfield.cli import app

FACTORIES = """
import torch
from torch import nn

class Up(nn.Module):
    def __init__(self, name="up"):
        super().__init__()
        torch.manual_seed(0)
        self.add_module(name, nn.ConvTranspose2d(1, 1, 3, stride=2))
        self.name = name

    def forward(self, picture):
        return self._modules[self.name](picture)

def up():
    return Up()

def flat():
    module = Up()
    nn.init.zeros_(module.up.weight)
    return module

def own_inputs():
    return Up()
own_inputs.example_inputs = lambda: torch.zeros(1, 1, 4, 4)

def hostile():
    return Up("[red]x[/red] :ok: \\x1b[2J\\n")

def talks():
    print("hello from the factory")
    return own_inputs()
talks.example_inputs = own_inputs.example_inputs

def raises():
    raise RuntimeError("boom\\n  on a second line")

def leaves():
    raise SystemExit(0)

def turns():
    return turns()

def needs(size):
    return Up()

def number():
    return 5

def wrong_inputs():
    return Up()
wrong_inputs.example_inputs = lambda: 1 / 0

module = Up()
"""


@pytest.fixture(autouse=True, scope="package")
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder to stand in, but for `mine.py`."""
    (tmp_path / "mine.py").write_text(FACTORIES, encoding="utf-8")
    (tmp_path / "broken.py").write_text("def up(:\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in ("mine", "broken"):
        sys.modules.pop(name, None)


@pytest.fixture
def flatfield(folder: Path) -> Callable[..., Any]:
    """Run the command in the folder. An exception that is no exit status is the test's failure."""

    def run(*arguments: str) -> Any:
        result = CliRunner().invoke(app, list(arguments))
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert "Traceback" not in result.output
        return result

    return run
