"""`flatfield examples`: list the networks that ship with flatfield."""

from __future__ import annotations

from rich.table import Table

from flatfield.cli.page import show_page
from flatfield.examples import EXAMPLES


def examples() -> None:
    """List the example networks; check one with `flatfield check example:NAME`."""
    table = Table(box=None, pad_edge=False)
    table.add_column("target", no_wrap=True)
    table.add_column("what it is")
    for name, entry in EXAMPLES.items():
        table.add_row(f"example:{name}", entry.description)
    show_page(table)
