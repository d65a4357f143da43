"""The command: tables, exit status, processes, Ray, resumption."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from flatfield.cli.measure import measure, periods_of
from flatfield.measure import plant
from flatfield.measure.folder import find_files, measure_folder
from flatfield.measure.row import Settings
from flatfield.measure.rows import measure_files

app = typer.Typer(pretty_exceptions_enable=False)
app.command()(measure)


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty pictures, every fourth with a grid, one of them broken, in two folders."""
    place = tmp_path_factory.mktemp("pictures")
    (place / "deep").mkdir()
    for i in range(40):
        picture = np.random.default_rng(i).normal(128, 6, (3, 48, 48))
        picture = plant(picture, 2, 3.0) if i % 4 == 0 else picture
        pixels = picture.round().clip(0, 255).astype(np.uint8).transpose(1, 2, 0)
        Image.fromarray(pixels).save(place / ("deep" if i % 2 else ".") / f"{i:02d}.png")
    (place / "broken.png").write_bytes(b"no picture")
    (place / "notes.txt").write_text("not measured")
    return place


def test_a_folder_in_a_table(folder: Path) -> None:
    status, text = run(folder, "--periods", "2,4")
    assert status == 3  # one could not be read
    assert "41 measured, 10 with a grid, 1 not readable" in text
    assert "no picture format" in text


def test_names_are_no_markup(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "[red]torn[bold].png").write_bytes(b"no picture")
    (tmp_path / "[red]whole[i].png").write_bytes((folder / "00.png").read_bytes())
    told = "".join(run(tmp_path)[1].split())  # names are folded to the terminal's width
    assert "[red]torn[bold].png" in told
    assert "[red]whole[i].png" in told


def test_exit_status(folder: Path, tmp_path: Path) -> None:
    assert run(folder / "02.png")[0] == 0
    assert run(folder / "00.png")[0] == 0
    assert run(folder / "00.png", "--fail-on", "0.001")[0] == 1
    assert run(folder / "02.png", "--fail-on", "0.001")[0] == 0
    assert run(folder / "broken.png")[0] == 3


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere"], "nowhere is not there"),
        (["*.nothing"], "matches nothing"),
        ([".", "--periods", "1"], "period 1 is out of range"),
        ([".", "--periods", "a"], "'a' is no period"),
        ([".", "--periods", "99999999"], "beyond 64"),
        ([".", "--fail-on", "2"], "--fail-on 2: give a p-value"),
        ([".", "-o", "rows.xls"], "is no format"),
        ([".", "-o", "a.html", "-o", "b.html"], "give one page"),
        ([".", "-o", "a.csv", "-o", "b.csv"], "give one table"),
        ([".", "-o", "missing/a.html"], "missing/a.html can't be written: No such file or directory"),
        ([".", "-o", "."], "ending '' is no format"),
        ([".", "--map", "file"], "--map file: it is a file"),
    ],
)
def test_bad_usage_is_one_line_and_status_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    status, text = run(*arguments)
    assert status == 2
    assert told in text
    assert len(text.strip().splitlines()) == 1


def test_rows_are_written_and_gone_on_from(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "rows.parquet"
    run(folder / "deep", "-o", output)
    assert pl.read_parquet(output).height == 20
    status, text = run(folder, "-o", output)
    assert status == 3
    assert "21 measured" in text
    assert "20 done before" in text
    table = pl.read_parquet(output)
    assert table.height == table["file"].n_unique() == 41
    assert table.filter(pl.col("error").is_not_null())["file"].to_list() == [str(folder / "broken.png")]
    assert table.filter(pl.col("periods").list.contains(2)).height == 10


def test_a_page_tells_of_all_files_also_of_a_run_that_goes_on(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("altair", reason="the pages extra is not installed")
    table, page = tmp_path / "rows.parquet", tmp_path / "results.html"
    run(folder / "deep", "-p", "2,4", "-o", table)
    status, text = run(folder, "-p", "2,4", "-o", table, "-o", page)
    assert status == 3
    assert "21 measured" in text
    assert text.replace("\n", "").endswith(f"written: {table}; written: {page}")
    told = page.read_text("utf-8")
    assert "10 of 40 with a grid" in told
    assert "broken.png: no picture format is recognised in it" in told
    assert told.count('class="exhibit"') == 9
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results.html", "rows.parquet"]


def test_a_page_needs_its_libraries_before_anything_is_measured(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "altair" else find(name, *more)
    )
    status, text = run(folder, "-o", tmp_path / "results.html", "-o", tmp_path / "rows.parquet")
    assert status == 2
    assert "altair" in text
    assert list(tmp_path.iterdir()) == []


def test_what_was_measured_before_counts(folder: Path, tmp_path: Path) -> None:
    """Ten of forty have a grid and one can't be read, whichever run found that."""
    output = tmp_path / "rows.parquet"
    assert run(folder, "-o", output, "--fail-on", "0.001")[0] == 1
    status, text = run(folder, "-o", output, "--fail-on", "0.001")
    assert status == 1
    assert "0 measured" in text
    assert "41 done before (10 with a grid, 1 not readable)" in " ".join(text.split())
    assert run(folder, "-o", output)[0] == 3


def test_names_that_are_no_text_are_measured_once(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "names"
    place.mkdir()
    try:
        (place / os.fsdecode(b"caf\xe9.png")).write_bytes((folder / "00.png").read_bytes())
    except OSError:
        pytest.skip("this file system only takes names that are UTF-8")
    output = tmp_path / "rows.parquet"
    assert run(place, "-o", output)[0] == 0
    assert pl.read_parquet(output)["file"].to_list() == [f"{place}/caf\\udce9.png"]
    assert "0 measured" in run(place, "-o", output)[1]


DEADLY = """
import os
from flatfield.measure import rows
read = rows.read_picture
rows.read_picture = lambda path, *more: os._exit(9) if "deadly" in str(path) else read(path, *more)
"""


def test_a_file_that_kills_its_process_gets_a_row(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(DEADLY)  # every process that the pool starts runs it first
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    files = [str(folder / "00.png"), str(tmp_path / "deadly.png")]
    told = {row.file: row for rows in measure_folder(files, Settings(), workers=2) for row in rows}
    assert set(told) == set(files)
    killed = [row.file for row in told.values() if row.error and "killed the process" in row.error]
    assert killed == [str(tmp_path / "deadly.png")]


def test_processes_give_the_same_rows(folder: Path) -> None:
    files = sorted(find_files([str(folder)]))
    spread = {row.file: row for rows in measure_folder(files, Settings(), workers=2) for row in rows}
    assert sorted(spread) == files
    for row in measure_files(files):
        assert spread[row.file].periods == row.periods
        assert spread[row.file].error == row.error


def test_patterns_and_folders_are_searched(folder: Path, tmp_path: Path) -> None:
    files = list(find_files([str(folder)]))
    assert len(files) == 41
    (tmp_path / "gone.png").symlink_to("nowhere.png")
    assert list(find_files([str(tmp_path)])) == [str(tmp_path / "gone.png")]
    assert len(list(find_files([str(folder / "**" / "*.png")]))) == 41
    assert list(find_files([files[3], str(folder), files[5], files[3]])) == [files[3], *files[:3], *files[4:]]
    assert list(find_files([str(folder / "notes.txt")])) == [str(folder / "notes.txt")]


def test_periods_are_read() -> None:
    assert periods_of("2-4, 8") == (2, 3, 4, 8)
