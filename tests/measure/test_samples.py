"""The article's ten pictures, exactly as its captions have them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flatfield.measure import measure_lattice
from flatfield.measure.row import Settings
from flatfield.measure.rows import measure_files


def test_all_ten_have_the_periods_of_their_captions(samples: list[tuple[Path, tuple[int, ...]]]) -> None:
    told = {row.file: row.periods for row in measure_files([str(path) for path, _ in samples])}
    assert told == {str(path): periods for path, periods in samples}


def test_the_fundamental_is_the_period_of_the_whole_tile(samples: list[tuple[Path, tuple[int, ...]]]) -> None:
    rows = measure_files([str(path) for path, _ in samples], Settings())
    assert [row.fundamental for row in rows] == [max(periods, default=0) for _, periods in samples]


@pytest.mark.parametrize("periods", [(2, 4), (2, 4, 8)])
def test_fewer_periods_asked_for_give_the_same_answer(
    samples: list[tuple[Path, tuple[int, ...]]], periods: tuple[int, ...]
) -> None:
    for path, truth in samples:
        pixels = np.asarray(Image.open(path).convert("RGB")).transpose(2, 0, 1)
        assert measure_lattice(pixels, periods).found()[0] == truth, path.name
