"""Rows read back from a ledger, so that a run that goes on can tell of all its files."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from flatfield.measure.cluster import row_of
from flatfield.measure.ledger import Ledger
from flatfield.measure.rows import Row


def recalled(ledger: Ledger) -> Iterator[Row]:
    """Give the rows that a ledger holds, each file once, a table at a time."""
    told = set[str]()
    for path in ledger.written():
        for values in pl.read_parquet(path).iter_rows(named=True):
            if values["file"] in told:
                continue  # a kill between rename and removal leaves parts that the table already holds
            told.add(values["file"])
            yield row_of(values)
