"""Failure: one line on standard error, exit status 2."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator

import typer

from flatfield.render import printable


@contextlib.contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn an unreadable target, a refused value or a failed write into one line and exit status 2."""
    try:
        yield
    except BrokenPipeError:
        raise  # whoever read the report has read enough: not a failure
    except (ValueError, OSError) as error:
        typer.echo(f"flatfield: {printable(' '.join(str(error).split()))}", err=True)
        raise typer.Exit(2) from None


def require_extra(extra: str, *modules: str) -> None:
    """Raise `ValueError` that names what is missing and the extra that brings it.

    >>> require_extra("measure", "numpy")
    """
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        raise ValueError(f"this command needs {', '.join(missing)}, not installed; pip install 'flatfield[{extra}]'")
