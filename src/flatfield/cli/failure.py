"""Failure: one line on standard error, exit status 2."""

from __future__ import annotations

import contextlib
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
