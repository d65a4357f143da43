"""Rows on disk that survive a kill at any moment: none lost that was told written, none twice.

While a run goes on, rows lie in small Parquet files in `OUTPUT.parts`; each is written under another name, forced to
the disk, and renamed, so that it is there whole or not at all. At the end they are put together, again under another
name, and renamed to OUTPUT; only then the parts go. A run that finds OUTPUT or parts takes their files as done.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl

from flatfield.measure.rows import Row

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


def spelled(file: str) -> str:
    """Spell a name as text: the bytes of a name that is no UTF-8 come as backslashes.

    >>> print(spelled("caf\\udce9.png"))
    caf\\udce9.png
    """
    return file.encode("utf-8", "backslashreplace").decode()


def frame(rows: Iterable[Row]) -> pl.DataFrame:
    """Make a table of rows."""
    return pl.DataFrame([row.plain() | {"file": spelled(row.file)} for row in rows], schema=SCHEMA)


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
        self.done = set[str]()  # by earlier runs
        for path in self.written():
            self.same_settings(path)
            self.done.update(pl.read_parquet(path, columns=["file"])["file"])
        numbers = [int(path.stem.removeprefix("part-")) for path in self.parts.glob("part-*.parquet")]
        self.next = max(numbers, default=0) + 1

    def written(self) -> list[Path]:
        """List the files that hold rows: the finished table, then the parts in order."""
        first = [self.output] if self.output.suffix.lower() == ".parquet" and self.output.exists() else []
        return first + sorted(self.parts.glob("part-*.parquet"))

    def same_settings(self, path: Path) -> None:
        """Raise ValueError when a table was measured with other settings."""
        told = pl.read_parquet_metadata(path).get(TOLD)
        if told != self.told:
            raise ValueError(f"{path} was measured with {told}, not {self.told}: give -o another name")

    def has(self, file: str) -> bool:
        """Say whether a file was done before this run."""
        return spelled(file) in self.done

    def earlier(self, level: float) -> tuple[int, int, int]:
        """Count what earlier runs wrote: files with a grid, those of them at a p-value below `level`, and errors."""
        tables = [pl.scan_parquet(path).select("file", "error", "periods", "p_value") for path in self.written()]
        if not tables:
            return 0, 0, 0
        grid = pl.col("periods").list.len() > 0
        which = {"grid": grid, "failing": grid & (pl.col("p_value") < level), "error": pl.col("error").is_not_null()}
        counts = pl.concat(tables).unique("file").select(**{k: w.sum() for k, w in which.items()}).collect()
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

    def finish(self) -> None:
        """Put all rows into the output, sorted by file, and remove the parts."""
        tables = [pl.read_parquet(path) for path in self.written()]
        table = pl.concat(tables) if tables else frame([])
        # a kill between rename and removal leaves parts that the table already holds
        table = table.unique("file", keep="first", maintain_order=True).sort("file")
        temporary = self.output.with_name(self.output.name + ".writing")
        if self.output.suffix.lower() == ".parquet":
            table.write_parquet(temporary, metadata={TOLD: self.told})
        elif self.output.suffix.lower() == ".json":
            table.write_json(temporary)
        else:
            lists = [name for name, kind in table.schema.items() if isinstance(kind, pl.List)]
            table.with_columns(pl.col(lists).cast(pl.List(pl.String)).list.join(" ")).write_csv(temporary)
        settle(temporary, self.output)
        shutil.rmtree(self.parts)
