"""`flatfield explain`: print a rule's manual."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.markdown import Markdown
from rich.table import Table

from flatfield.cli.failure import one_line_errors
from flatfield.cli.page import show_page
from flatfield.rules import RULES, find_rule


def explain(code: Annotated[str, typer.Argument(help="FF001, or uneven-overlap.", show_default=False)] = "") -> None:
    """Print the manual of a rule; without a code, the list of rules."""
    if not code:
        show_page(_all_rules())
        return
    with one_line_errors():
        rule = find_rule(code)
    head = f"# {rule.code} {rule.name} ({rule.level})\n\n"
    manual = head + rule.manual.strip()
    if sys.stdout.isatty():
        show_page(Markdown(manual))
    else:
        typer.echo(manual)


def _all_rules() -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("code", "name", "level", "what it finds"):
        table.add_column(heading)
    for rule in RULES:
        table.add_row(rule.code, rule.name, rule.level, rule.summary)
    return table
