"""Failure: one line on standard error, exit status 2."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import typer
from rich.console import Console


@contextlib.contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn an unreadable target, a refused value or a failed write into one line and exit status 2."""
    try:
        yield
    except (ValueError, OSError) as error:
        Console(stderr=True, soft_wrap=True).print(f"flatfield: {' '.join(str(error).split())}", markup=False)
        raise typer.Exit(2) from None
