"""Rows read back from a ledger, so that a run that goes on can tell of all its files."""

from __future__ import annotations

from collections.abc import Iterator

from flatfield.measure.cluster import row_of
from flatfield.measure.ledger import Ledger, scanned
from flatfield.measure.row import Row


def recalled(ledger: Ledger) -> Iterator[Row]:
    """Give the rows that a ledger holds, a table at a time."""
    for path in ledger.written():
        for values in scanned([path]).collect().iter_rows(named=True):
            yield row_of(values)
