"""Every experiment end to end at a tiny scale, and again after a kill."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image
from polars.testing import assert_frame_equal

from flatfield.lab.experiment import TIMED, Experiment
from flatfield.lab.experiments import EXPERIMENTS, find_experiment
from flatfield.lab.report import write_report
from flatfield.lab.run import Settings, run
from flatfield.lab.runs import RunFolder
from flatfield.lab.scale import scale_named
from flatfield.lab.table import summary
from flatfield.lab.upsampling import UPSAMPLERS

TINY = scale_named("tiny")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda e: e.name)
def test_end_to_end(experiment: Experiment, runs: Path) -> None:
    missing = experiment.needs()
    if missing is not None:
        pytest.skip(missing)
    heard: list[tuple[int, int, str]] = []
    place = run(experiment, Settings(TINY, runs), cells_done=lambda *told: heard.append(told))
    rows = place.rows()
    cells = experiment.cells(TINY)
    assert heard[-1] == (len(cells), len(cells), "")
    assert {(c.family, c.variant, c.seed) for c in cells} == set(rows.select("family", "variant", "seed").iter_rows())
    for column in experiment.measured:
        assert column.name in rows.columns, column
        assert rows[column.name].is_not_null().any()
    assert set(experiment.by) <= set(rows.columns)
    assert str(experiment.judge(rows)).startswith("The claim ")
    assert len(summary(experiment, rows).lines) > 0
    made = json.loads((place.path / "configuration.json").read_text(encoding="utf-8"))
    assert made["decides"]["scale"]["name"] == "tiny"
    assert made["decides"]["versions"]["torch"]
    assert not list(place.path.glob("checkpoints/*.pt"))


class KilledError(Exception):
    pass


def untimed(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.drop(TIMED, strict=False)


def test_a_run_killed_again_and_again_ends_in_the_same_table(tmp_path: Path) -> None:
    experiment = find_experiment("learning")
    scale = replace(TINY, every=0.0)
    whole = run(experiment, Settings(scale, tmp_path / "whole")).rows()
    settings = Settings(scale, tmp_path / "killed")
    count = {"steps": 0, "kills": 0}

    def killer(done: int, total: int) -> None:
        count["steps"] += 1
        if count["steps"] % 7 == 0:
            count["kills"] += 1
            raise KilledError

    place = None
    while place is None:
        try:
            place = run(experiment, settings, steps_done=killer)
        except KilledError:
            assert count["kills"] < 50
    assert count["kills"] >= 2
    assert count["steps"] <= len(experiment.cells(scale)) * scale.steps + count["kills"]
    assert_frame_equal(untimed(place.rows()), untimed(whole))


def test_jobs_give_the_same_table(tmp_path: Path) -> None:
    experiment = find_experiment("gradients")
    one = run(experiment, Settings(TINY, tmp_path / "one")).rows()
    two = run(experiment, Settings(TINY, tmp_path / "two"), jobs=2).rows()
    assert_frame_equal(untimed(one), untimed(two))


def test_another_configuration_is_refused(tmp_path: Path) -> None:
    experiment = find_experiment("colour")
    RunFolder(tmp_path / "colour").claim(experiment, TINY, "scikit-image")
    with pytest.raises(ValueError, match="holds a run with other scale: move it away"):
        run(experiment, Settings(replace(TINY, steps=5), tmp_path))


def test_an_experiment_that_lacks_something_says_what(tmp_path: Path) -> None:
    lacking = replace(find_experiment("colour"), needs=lambda: "no sound here")
    with pytest.raises(ValueError, match="colour can't run here: no sound here"):
        run(lacking, Settings(TINY, tmp_path))


def test_the_report(runs: Path, tmp_path: Path) -> None:
    done = [e for e in EXPERIMENTS if (runs / e.name / "rows.parquet").exists()]
    if not done:
        pytest.skip("the end-to-end tests have left no runs")
    page = write_report(runs, tmp_path / "page").read_text(encoding="utf-8")
    for experiment in done:
        assert f"## {experiment.name}" in page
        assert str(experiment.judge(RunFolder(runs / experiment.name).rows())) in page
    linked = [part.split(")")[0] for part in page.split("](")[1:] if not part.startswith("#")]
    linked += re.findall(r'(?:src|srcset)="([^"]+)"', page)
    assert any(name.endswith("-dark.svg") for name in linked)
    assert {name for name in linked if not (tmp_path / "page" / name).exists()} == set()
    assert all(len(words) > 20 for words in re.findall(r'alt="([^"]*)"', page))
    if (runs / "inclusion").exists():
        small = next((runs / "inclusion" / "pictures").glob("gan.last.*.png"))
        with Image.open(small) as a, Image.open(tmp_path / "page" / "inclusion-gan-last.png") as b:
            assert b.size == (4 * (2 * 34 - 2), 4 * 32)  # the first and the sixth of eight
            assert a.getpixel((5, 7)) == b.getpixel((23, 31))
            assert a.getpixel((5 * 34 + 1, 3)) == b.getpixel((4 * 35, 12))


def test_charts_name_what_is_measured() -> None:
    for experiment in EXPERIMENTS:
        named = {name for names in experiment.charts for name in names}
        assert named <= {column.name for column in experiment.measured}, experiment.name
        assert named or experiment.by
        cells = experiment.cells(scale_named("cpu"))
        assert set(experiment.lines) <= {cell.variant for cell in cells}


def test_a_report_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no run"):
        write_report(tmp_path, tmp_path / "page")


def test_the_manual_names_every_upsampler() -> None:
    manual = (Path(__file__).parents[2] / "docs" / "lab.md").read_text(encoding="utf-8")
    for upsampler in UPSAMPLERS.values():
        assert f"| `{upsampler.name}` | {upsampler.description} |" in manual


def test_definitions_are_whole() -> None:
    names = [experiment.name for experiment in EXPERIMENTS]
    assert len(set(names)) == len(names)
    for experiment in EXPERIMENTS:
        cells: Any = [cell.name for cell in experiment.cells(scale_named("cpu"))]
        assert len(set(cells)) == len(cells)
        assert experiment.claim.endswith(".")
    with pytest.raises(ValueError, match="there is no experiment 'nothing'; take one of inclusion"):
        find_experiment("nothing")
