"""A run's folder: finished cells, one file each, and what is gathered from them."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import polars as pl
import torch

from flatfield.lab.experiment import Cell, Experiment, Outcome, Row
from flatfield.lab.scale import Scale
from flatfield.lab.sheet import save_sheet
from flatfield.lab.weights import save_weights

PACKAGES = ("flatfield", "torch", "lightning", "numpy", "scipy", "polars", "pillow", "scikit-image")


@dataclass(frozen=True)
class RunFolder:
    """runs/NAME: configuration.json, rows.parquet, curves.parquet, pictures/, networks/, and cells/ on the way."""

    path: Path

    def claim(self, experiment: Experiment, scale: Scale, source: str) -> None:
        """Take the folder for a run, or go on with it; `ValueError` where another configuration lies there.

        What decides the numbers must be the same: the claim, the scale, the data and the version of every package.
        """
        ours = configuration(experiment, scale, source)
        file = self.path / "configuration.json"
        if file.exists():
            theirs = json.loads(file.read_text(encoding="utf-8"))
            differing = sorted(
                key for key in ours["decides"] if theirs.get("decides", {}).get(key) != ours["decides"][key]
            )
            if differing:
                raise ValueError(
                    f"{self.path} holds a run with other {', '.join(differing)}: move it away, or name another folder"
                )
            return
        self.path.mkdir(parents=True, exist_ok=True)
        _write(file, json.dumps(ours, indent=2, sort_keys=True).encode())

    def configuration(self) -> dict[str, Any]:
        """What the run was made with; `ValueError` where there is none."""
        file = self.path / "configuration.json"
        if not file.exists():
            raise ValueError(f"{self.path} holds no run: make one with flatfield lab run {self.path.name}")
        loaded: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return loaded

    def finished(self, cell: Cell) -> bool:
        """Whether the cell's rows are there; they are written last."""
        return self._cell(cell, "rows").exists()

    def save(self, cell: Cell, outcome: Outcome) -> None:
        """Write what a cell gave, and drop its checkpoints."""
        for name, pictures in outcome.pictures.items():
            save_sheet(self.path / "pictures" / f"{cell.name}.{name}.png", pictures)
        for name, network in outcome.networks.items():
            save_weights(self.weights(cell, name), network)
        if outcome.curves:
            _write_frame(self._cell(cell, "curves"), outcome.curves, cell)
        _write_frame(self._cell(cell, "rows"), outcome.rows, cell)
        for checkpoint in (self.path / "checkpoints").glob(f"{cell.name}.*pt"):
            checkpoint.unlink()

    def gather(self, cells: Sequence[Cell]) -> None:
        """Put the finished cells together, in the order of the definition: rows.parquet and curves.parquet."""
        for kind in ("rows", "curves"):
            files = [self._cell(cell, kind) for cell in cells if self._cell(cell, kind).exists()]
            if files:
                table = pl.concat([pl.read_parquet(file) for file in files], how="diagonal_relaxed")
                part = self.path / f".{kind}.part"
                table.write_parquet(part)
                part.replace(self.path / f"{kind}.parquet")

    def rows(self) -> pl.DataFrame:
        """The table of finished cells; `ValueError` where nothing is finished."""
        file = self.path / "rows.parquet"
        if not file.exists():
            raise ValueError(f"{self.path} has no finished cell yet: go on with flatfield lab run {self.path.name}")
        return pl.read_parquet(file)

    def curves(self) -> pl.DataFrame:
        """The curves of finished cells: family, variant, seed, what, x, y; empty where there are none."""
        file = self.path / "curves.parquet"
        return pl.read_parquet(file) if file.exists() else pl.DataFrame()

    def weights(self, cell: Cell, name: str) -> Path:
        """Where a trained network of a cell is kept, for `load_weights`."""
        return self.path / "networks" / f"{cell.name}.{name}.npz"

    def pictures(self, cells: Sequence[Cell]) -> list[Path]:
        """The sample sheets, in the order of the definition."""
        return [file for cell in cells for file in sorted((self.path / "pictures").glob(f"{cell.name}.*.png"))]

    def _cell(self, cell: Cell, kind: str) -> Path:
        return self.path / "cells" / f"{cell.name}.{kind}.parquet"


def configuration(experiment: Experiment, scale: Scale, source: str) -> dict[str, Any]:
    """Say what decides a run's numbers, and on what machine they were made."""
    return {
        "decides": {
            "experiment": experiment.name,
            "claim": experiment.claim,
            "cells": [cell.name for cell in experiment.cells(scale)],
            "scale": asdict(scale),
            "data": source,
            "versions": versions(),
        },
        "machine": {
            "system": platform.system(),
            "processor": platform.machine(),
            "cores": os.cpu_count(),
            "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
            "python": platform.python_version(),
        },
    }


def versions() -> dict[str, str]:
    """List the versions of what computes.

    >>> sorted(versions())[:2]
    ['flatfield', 'lightning']
    """
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "absent"
    return found


def _write_frame(path: Path, rows: Sequence[Row], cell: Cell) -> None:
    named = [{"family": cell.family, "variant": cell.variant, "seed": cell.seed, **row} for row in rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    pl.DataFrame(named, infer_schema_length=None).write_parquet(part)
    part.replace(path)


def _write(path: Path, content: bytes) -> None:
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    part.replace(path)
