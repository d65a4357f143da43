"""The command line: one thin file a command."""

from __future__ import annotations

import io
import sys
from typing import Annotated

import typer

from flatfield import __version__
from flatfield.cli.check import check
from flatfield.cli.cure import cure
from flatfield.cli.examples import examples
from flatfield.cli.explain import explain
from flatfield.cli.fuse import fuse
from flatfield.cli.lab import lab
from flatfield.cli.learn import learn
from flatfield.cli.measure import measure
from flatfield.cli.show import show

app = typer.Typer(
    name="flatfield",
    help="Find, measure, explain and remove checkerboard artifacts in neural networks that upsample.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (check, measure, cure, fuse, show, explain, examples, learn):
    app.command()(command)
app.add_typer(lab)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"flatfield {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it.")] = False,
) -> None:
    """Hold the options that come before a command."""


def main() -> None:
    """Run the command line; characters that the terminal's encoding lacks come out as question marks."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    app()
