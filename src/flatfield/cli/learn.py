"""`flatfield learn`: write the page that explains the subject by doing."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from flatfield.cli.failure import one_line_errors, require_extra
from flatfield.cli.output import write_whole


def learn(
    output: Annotated[Path, typer.Option("--output", "-o", help="Write the page here.")] = Path("learn.html"),
    open_page: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """Write one interactive page on checkerboard artifacts: what they are, why they come, what to do.

    The page holds all it needs: it works from a file, without a network.
    """
    with one_line_errors():
        require_extra("pages", "altair", "vl_convert", "jinja2")
        from flatfield.learn import learn_page

        typer.echo("Drawing the charts, which takes a few seconds ...", err=True)
        write_whole(output, learn_page())
    typer.echo(f"{output}: open it in any browser")
    if open_page:
        webbrowser.open(output.resolve().as_uri())
