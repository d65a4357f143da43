"""Rows on disk that survive a kill at any moment: none lost that was told written, none twice.

While a run goes on, rows lie in small Parquet files in `OUTPUT.parts`; each is written under another name, forced to
the disk, and renamed, so that it is there whole or not at all. At the end they are put together, again under another
name, and renamed to OUTPUT; only then the parts go. A run that finds OUTPUT or parts takes their files as done; parts
that a killed run had put into OUTPUT go first.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl

from flatfield.measure.row import Row

FORMATS = (".parquet", ".csv", ".json")
SCHEMA: dict[str, Any] = {
    "file": pl.String,
    "error": pl.String,
    "kind": pl.String,
    "periods": pl.List(pl.Int32),
    "fundamental": pl.Int32,
    "strength": pl.Float64,
    "relative": pl.Float64,
    "p_value": pl.Float64,
    "jpeg_grid": pl.Boolean,
    "jpeg_periods": pl.List(pl.Int32),
    "tones": pl.List(pl.Float64),
    "pictures": pl.Int64,
    "width": pl.Int64,
    "height": pl.Int64,
    "channels": pl.Int32,
    "p_values": pl.List(pl.Float64),
    "strengths": pl.List(pl.Float64),
}
TOLD = "flatfield.settings"
BLOCK = 250_000  # rows sorted at a time: each takes about a kilobyte meanwhile


def spelled(file: str) -> str:
    """Spell a name as text: the bytes of a name that is no UTF-8 come as backslashes.

    >>> print(spelled("caf\\udce9.png"))
    caf\\udce9.png
    """
    return file.encode("utf-8", "backslashreplace").decode()


def frame(rows: Iterable[Row]) -> pl.DataFrame:
    """Make a table of rows."""
    return pl.DataFrame([row.plain() | {"file": spelled(row.file)} for row in rows], schema=SCHEMA)


def scanned(paths: list[Path]) -> pl.LazyFrame:
    """Scan tables, whatever signs their names hold."""
    return pl.scan_parquet(paths, glob=False)


def settle(temporary: Path, final: Path) -> None:
    """Force a file to the disk and rename it: afterwards it is there whole, whatever happens."""
    with temporary.open("rb") as stream:
        os.fsync(stream.fileno())
    os.replace(temporary, final)
    folder = os.open(final.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class Ledger:
    """Write rows to `output` (.parquet, .csv or .json) as they come, and know which files are done.

    `told` is what the rows were measured with; ValueError when what is on disk was measured otherwise, when the
    format is none of these, or when a .csv or .json is already there (only .parquet can be gone on from once it is
    finished).
    """

    def __init__(self, output: str | Path, told: str) -> None:
        self.output, self.told = Path(output), told
        self.parts = self.output.with_name(self.output.name + ".parts")
        ending = self.output.suffix.lower()
        if ending not in FORMATS:
            raise ValueError(f"{self.output}: ending {ending!r} is no format; take one of {', '.join(FORMATS)}")
        if self.output.exists() and ending != ".parquet":
            raise ValueError(f"{self.output} is already there: move it away, or write .parquet, which goes on")
        self.parts.mkdir(parents=True, exist_ok=True)
        for torn in self.parts.glob("*.writing"):
            torn.unlink()
        for path in self.written()[:2]:  # the table and a part: those that follow were opened beside them
            self.same_settings(path)
        if self.output.exists():
            self.remove_leftovers()
        self.done = set(self.rows().select("file").collect()["file"])  # by earlier runs
        numbers = [int(path.stem.removeprefix("part-")) for path in self.parts.glob("part-*.parquet")]
        self.next = max(numbers, default=0) + 1

    def written(self) -> list[Path]:
        """List the files that hold rows: the finished table, then the parts in order."""
        first = [self.output] if self.output.suffix.lower() == ".parquet" and self.output.exists() else []
        return first + sorted(self.parts.glob("part-*.parquet"))

    def same_settings(self, path: Path) -> None:
        """Raise ValueError when a table was measured with other settings, or is none."""
        try:
            told = pl.read_parquet_metadata(path).get(TOLD)
        except (pl.exceptions.PolarsError, OSError):
            raise ValueError(f"{path} is there and holds no rows: move it away, or give -o another name") from None
        if told != self.told:
            raise ValueError(f"{path} was measured with {told}, not {self.told}: give -o another name")

    def has(self, file: str) -> bool:
        """Say whether a file was done before this run."""
        return spelled(file) in self.done

    def remove_leftovers(self) -> None:
        """Remove the parts that the finished table holds: a kill between rename and removal left them."""
        held = set(scanned([self.output]).select("file").collect()["file"])
        for part in self.parts.glob("part-*.parquet"):
            if held.issuperset(scanned([part]).select("file").collect()["file"]):
                part.unlink()

    def rows(self) -> pl.LazyFrame:
        """Give all rows that are written, each file once, in no order."""
        written = self.written()
        return scanned(written) if written else frame([]).lazy()

    def earlier(self, level: float) -> tuple[int, int, int]:
        """Count what earlier runs wrote: files with a grid, those of them at a p-value below `level`, and errors."""
        grid = pl.col("periods").list.len() > 0
        which = {"grid": grid, "failing": grid & (pl.col("p_value") < level), "error": pl.col("error").is_not_null()}
        counts = self.rows().select(**{k: w.sum() for k, w in which.items()}).collect(engine="streaming")
        return counts["grid"][0], counts["failing"][0], counts["error"][0]

    def add(self, rows: list[Row]) -> None:
        """Write rows for good: when this returns, a kill can't take them back. Files done before are left out."""
        new = [row for row in rows if not self.has(row.file)]
        if not new:
            return
        final = self.parts / f"part-{self.next:09d}.parquet"
        temporary = final.with_suffix(".writing")
        frame(new).write_parquet(temporary, metadata={TOLD: self.told})
        settle(temporary, final)
        self.next += 1

    def ordered(self) -> pl.LazyFrame:
        """Give all rows that are written, sorted by file, a block at a time: memory does not grow with their number."""
        rows = self.rows()
        names = rows.select("file").collect()["file"].sort()
        blocks = []
        for at in range(0, len(names), BLOCK):
            inside = names[at : at + BLOCK]
            blocks.append(self.parts / f"block-{at:012d}.writing")
            between = pl.col("file").is_between(pl.lit(inside[0]), pl.lit(inside[-1]))
            rows.filter(between).sort("file").sink_parquet(blocks[-1])
        return scanned(blocks) if blocks else rows

    def finish(self) -> None:
        """Put all rows into the output, sorted by file, and remove the parts."""
        table, ending = self.ordered(), self.output.suffix.lower()
        temporary = self.output.with_name(self.output.name + ".writing")
        if ending == ".parquet":
            table.sink_parquet(temporary, metadata={TOLD: self.told})
        elif ending == ".json":
            table.collect().write_json(temporary)
        else:
            lists = [name for name, kind in SCHEMA.items() if isinstance(kind, pl.List)]
            # a number that is not known keeps its place
            spelled_out = pl.col(lists).cast(pl.List(pl.String)).list.eval(pl.element().fill_null("nan")).list.join(" ")
            table.with_columns(spelled_out).sink_csv(temporary)
        settle(temporary, self.output)
        shutil.rmtree(self.parts)
