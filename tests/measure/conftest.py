"""What the measuring tests share: the article's samples, clean photographs, files of every kind."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

SAMPLES = Path(__file__).parents[3] / "shared" / "distill-samples"


@pytest.fixture(scope="session")
def samples() -> list[tuple[Path, tuple[int, ...]]]:
    """The article's ten pictures and the periods that its captions give."""
    if not SAMPLES.is_dir():
        pytest.skip("../shared/distill-samples is not there")
    with (SAMPLES / "labels.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    return [(SAMPLES / row["file"], tuple(int(p) for p in row["periods"].split())) for row in rows]
