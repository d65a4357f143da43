"""What a page is made of: the worst and the median pictures, distributions, the pooled spectrum; little is kept."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flatfield.measure import plant
from flatfield.measure.exhibit import SIDE, exhibit, smaller, view_of
from flatfield.measure.ledger import Ledger
from flatfield.measure.pooled_spectrum import pooled_spectrum, sample_spectrum
from flatfield.measure.recalled import recalled
from flatfield.measure.row import Row, Settings
from flatfield.measure.rows import measure_files
from flatfield.measure.survey import DRAWN, SHOWN, WORST, Survey

SETTINGS = Settings(periods=(2, 4, 8))


def save(path: Path, picture: np.ndarray) -> str:
    Image.fromarray(picture.round().clip(0, 255).astype(np.uint8)).save(path)
    return str(path)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Thirty noisy pictures; the first ten with a lattice of period 4, stronger from one to the next."""
    place = tmp_path_factory.mktemp("survey")
    pictures = np.random.default_rng(3).normal(128, 4, (30, 64, 64))
    for i in range(10):
        pictures[i] = plant(pictures[i], 4, 1.0 + 0.5 * i)
    return [save(place / f"{i:02d}.png", picture) for i, picture in enumerate(pictures)]


@pytest.fixture(scope="module")
def survey(files: list[str]) -> Survey:
    seen = Survey(SETTINGS)
    for row in [*measure_files(files, SETTINGS), Row("gone.png", error="not there")]:
        seen.add(row)
    return seen


def test_counts_and_distribution(survey: Survey) -> None:
    found = survey.results()
    assert (found.files, found.errors, found.with_grid) == (31, 1, 10)
    assert found.periods == ((4, 10),)
    assert sum(one.with_grid for one in found.strengths) == 10
    assert sum(one.without for one in found.strengths) == 20
    assert max(one.high for one in found.strengths if one.with_grid) == pytest.approx(5.5, rel=0.5)
    assert [row.file for row in found.failed] == ["gone.png"]


def test_the_worst_and_the_median(survey: Survey, files: list[str]) -> None:
    found = survey.results()
    assert [one.row.file for one in found.worst] == files[9 : 9 - WORST : -1]
    assert all(one.view is not None and one.periods == (4,) for one in found.worst)
    # thirty in a row, twenty without a grid: the middle one is the sixteenth of those, by strength
    clean = sorted(measure_files(files[10:], SETTINGS), key=lambda row: row.strength or 0.0)
    middle = clean[15].strength or 0.0
    nearest = sorted(clean, key=lambda row: (abs((row.strength or 0.0) - middle), row.file))
    assert [one.row.file for one in found.median] == [row.file for row in nearest[:3]]
    # measured in batches of 20 and of 3: sums of some thousand float32 (6e-8 each) in another order
    strengths = [row.strength for row in nearest[:3]]
    assert [one.row.strength for one in found.median] == pytest.approx(strengths, rel=1e-4)


def test_a_picture_that_has_gone_is_told(tmp_path: Path, files: list[str]) -> None:
    row = measure_files(files[:1], SETTINGS)[0]
    gone = Row(str(tmp_path / "gone.png"), kind="picture", periods=row.periods, strength=row.strength)
    assert exhibit(gone, SETTINGS).trouble == "No such file or directory"
    assert sample_spectrum([gone.file], SETTINGS) is None


def test_the_map_and_the_close_up_find_the_place() -> None:
    picture = np.random.default_rng(0).normal(128, 2, (1, 160, 200))
    picture[:, 80:, 120:] = plant(picture[:, 80:, 120:], 2, 6.0)
    view = view_of(picture, (2,))
    top, left, height, width = (round(share * side) for share, side in zip(view.frame, (160, 200) * 2, strict=True))
    assert top + height / 2 > 80
    assert left + width / 2 > 120
    shown = picture[0].round().clip(0, 255).astype(np.uint8)
    np.testing.assert_array_equal(view.closeup, shown[top : top + height, left : left + width])
    assert view.peak == pytest.approx(6.0, rel=0.15)


def test_large_pictures_are_made_small_without_a_grid_of_their_own() -> None:
    board = 128 + 50 * (-1.0) ** np.add.outer(np.arange(600), np.arange(800))
    assert np.ptp(smaller(board)) == 0  # leaving out pixels would show the board, or another one
    view = view_of(np.full((3, 1100, 1300), 99, np.uint8), (2,))
    assert view.picture.shape == (SIDE, SIDE, 3)
    assert view.part


@pytest.mark.parametrize("sizes", [[(64, 64)] * 8, [(50, 70), (64, 200), (300, 130), (90, 64)] * 3])
def test_the_pooled_spectrum_shows_what_all_share(sizes: list[tuple[int, int]]) -> None:
    random = np.random.default_rng(1)
    clean = [random.normal(128, 8, (1, *size)) for size in sizes]
    spectrum = pooled_spectrum([plant(picture, 4, 2.0, axes="columns") for picture in clean])
    assert spectrum is not None
    assert [str(f) for f in spectrum.peaks()[0].fractions] == ["1/4", "0"]
    alone = pooled_spectrum(clean)
    assert alone is not None
    assert all("1/4" not in map(str, peak.fractions) for peak in alone.peaks(least=12.0))


def test_little_is_kept_of_many_files() -> None:
    """A million files must fit: of each one 8 bytes, with an eighth of room to grow, beside what does not grow."""
    many = 50_000
    survey = Survey(SETTINGS)
    tracemalloc.start()
    for i in range(many):
        row = Row(
            f"{i:07d}.png", kind="picture", periods=(4,) if i % 2 else (), strength=i / many, p_values=(0.1,) * 15
        )
        survey.add(row)
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert kept < 9 * many + DRAWN * 250 + SHOWN * 2000
    assert len(survey.strongest) == SHOWN
    assert len(survey.drawn) == DRAWN
    # drawn with the same probability early and late: the mean of n uniform numbers is 1/2, give or take 4 / sqrt(12 n)
    assert np.mean([strength for _, strength, _ in survey.drawn]) == pytest.approx(0.5, abs=4 / np.sqrt(12 * DRAWN))
    assert survey.results().spectrum is None  # none of them is there any more


def test_many_at_the_median(files: list[str]) -> None:
    """Most with a grid: the middle is one of those."""
    survey = Survey(SETTINGS)
    for row in measure_files(files[:12], SETTINGS):
        survey.add(row)
    assert [one.row.periods for one in survey.results().median] == [(4,)] * 3


def test_rows_come_back_from_the_table(tmp_path: Path, files: list[str]) -> None:
    rows = measure_files(files[:3], SETTINGS)
    ledger = Ledger(tmp_path / "rows.parquet", SETTINGS.told())
    ledger.add(rows[:2])
    ledger.add(rows[2:])
    assert list(recalled(ledger)) == rows
    ledger.finish()
    assert list(recalled(Ledger(tmp_path / "rows.parquet", SETTINGS.told()))) == rows
