"""Page: what a person reads goes to the terminal in colour, and down a pipe as plain lines."""

from __future__ import annotations

import typer
from rich.console import Console, RenderableType

from flatfield.render import plain_text

_UNFOLDED = 10_000  # a pipe has no width: one finding, one line, so that grep and diff work


def show_page(page: RenderableType) -> None:
    """Print to a terminal as wide as it is; elsewhere without colour and without folding lines."""
    terminal = Console(highlight=False)
    if terminal.is_terminal:
        terminal.print(page)
    else:
        typer.echo(plain_text(page, width=_UNFOLDED), nl=False)
