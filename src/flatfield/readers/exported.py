"""Read a `.pt2` file: a program that `torch.export` wrote, its modules put together again."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from flatfield.network import Network
from flatfield.readers.errors import UnreadableError
from flatfield.readers.pytorch import read_module


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the loader from logging its own traceback (the error says it in one line) and from warning of its parts."""
    logger = logging.getLogger("torch.export")
    logger.disabled = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled = False


def read_exported(path: Path, inputs: Sequence[torch.Tensor] | None = None, *, fake: bool = False) -> Network:
    """Read an exported program on its own example inputs, or on others of the shapes it accepts.

    Raises `UnreadableError` for a file that is missing or that `torch.export.load` refuses.
    """
    module, chosen, keywords = load_exported(path, inputs)
    return read_loaded(path, module, chosen, keywords, fake=fake)


def load_exported(
    path: Path, inputs: Sequence[torch.Tensor] | None = None
) -> tuple[nn.Module, tuple[Any, ...], dict[str, Any]]:
    """Load an exported program; gives its modules put together again, with positional and keyword inputs."""
    if not path.is_file():
        raise UnreadableError(f"{path}: no such file; write one with torch.export.save(torch.export.export(...), path)")
    try:
        with _quiet():
            program = torch.export.load(path)
            module = torch.export.unflatten(program)
    except Exception as error:  # a zip of several formats: the loader raises whatever its parts raise
        reason = " ".join(str(error).split())
        raise UnreadableError(
            f"{path}: torch.export.load refused it ({type(error).__name__}: {reason[:200]}); "
            "write it again with torch.export.save, or export to .onnx"
        ) from error
    positional, keywords = program.example_inputs or ((), {})
    return (module, tuple(inputs), {}) if inputs else (module, tuple(positional), dict(keywords))


def read_loaded(
    path: Path, module: nn.Module, inputs: Sequence[Any], keywords: dict[str, Any], *, fake: bool = False
) -> Network:
    """Read a loaded program; whatever running it raises becomes one `UnreadableError`."""
    try:
        return read_module(module, inputs, keywords=keywords, target=str(path), fake=fake)
    except Exception as error:
        reason = " ".join(str(error).split())
        raise UnreadableError(
            f"{path}: running it failed ({reason[:300]}); give the exported shapes with --input"
        ) from error
