"""Rows survive a kill at any moment: none that was told written is lost, none comes twice."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pl = pytest.importorskip("polars")

from flatfield.measure.ledger import Ledger  # noqa: E402
from flatfield.measure.row import Row  # noqa: E402

TOTAL = 400
WRITER = """
import sys
from flatfield.measure.ledger import Ledger
from flatfield.measure.row import Row
ledger = Ledger(sys.argv[1], "same")
names = [f"{i:04d}.png" for i in range(400)]
for start in range(0, 400, 4):
    todo = [Row(name, periods=(2, 4), p_value=0.5) for name in names[start:start + 4] if name not in ledger.done]
    if todo:
        ledger.add(todo)
        print(*(row.file for row in todo), flush=True)
ledger.finish()
print("FINISHED", flush=True)
"""


def test_rows_survive_kills_at_random_moments(tmp_path: Path) -> None:
    output, told, chance = tmp_path / "rows.parquet", set[str](), random.Random(3)
    kills = 0
    for _ in range(8):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(output)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            told.update(process.stdout.readline().split())  # it has begun to write: from here on, at any moment
            time.sleep(chance.uniform(0, 0.05))
            process.send_signal(signal.SIGKILL)
            rest = process.stdout.read()
        kills += 1
        # a last line may be torn by the kill: what was told is what is whole
        told.update(name for line in rest.splitlines(keepends=True) if line.endswith("\n") for name in line.split())
        if "FINISHED" in told:
            break
    told.discard("FINISHED")
    subprocess.run([sys.executable, "-c", WRITER, str(output)], check=True, capture_output=True)
    files = pl.read_parquet(output)["file"].to_list()
    assert kills >= 3
    assert len(files) == len(set(files)) == TOTAL
    assert told <= set(files)
    assert not output.with_name("rows.parquet.parts").exists()


def test_a_kill_between_rename_and_removal_doubles_nothing(tmp_path: Path) -> None:
    output = tmp_path / "rows.parquet"
    ledger = Ledger(output, "same")
    ledger.add([Row("a.png"), Row("b.png")])
    part = next(ledger.parts.glob("part-*"))
    kept = part.read_bytes()
    ledger.finish()
    part.parent.mkdir()
    part.write_bytes(kept)
    (part.parent / "part-000000009.writing").write_bytes(b"torn")
    again = Ledger(output, "same")
    assert again.done == {"a.png", "b.png"}
    assert not list(again.parts.iterdir())
    again.add([Row("b.png"), Row("c.png")])
    again.finish()
    assert pl.read_parquet(output)["file"].to_list() == ["a.png", "b.png", "c.png"]


@pytest.mark.parametrize("block", [1, 3, 7, 100])
def test_rows_are_sorted_block_by_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr("flatfield.measure.ledger.BLOCK", block)
    names = [f"{'é' * (i % 3)}{i * 7 % 20}.png" for i in range(20)]
    output = tmp_path / "out [1]*" / "rows.parquet"
    ledger = Ledger(output, "same")
    for at in range(0, 20, 4):
        ledger.add([Row(name, periods=(2,), p_value=0.25) for name in names[at : at + 4]])
    assert Ledger(output, "same").earlier(0.5) == (20, 20, 0)
    ledger.finish()
    table = pl.read_parquet(output, glob=False)
    assert table["file"].to_list() == sorted(names, key=str.encode)
    assert set(table["p_value"]) == {0.25}
    assert Ledger(output, "same").earlier(0.2) == (20, 0, 0)


@pytest.mark.parametrize("ending", ["csv", "json"])
def test_other_formats_hold_the_same_rows(tmp_path: Path, ending: str) -> None:
    ledger = Ledger(tmp_path / f"rows.{ending}", "same")
    ledger.add([Row("a.png", periods=(2, 4), p_value=0.25), Row("b.png", error="it is empty")])
    ledger.finish()
    table = (pl.read_csv if ending == "csv" else pl.read_json)(tmp_path / f"rows.{ending}")
    assert table["file"].to_list() == ["a.png", "b.png"]
    assert table["periods"].to_list()[0] == ("2 4" if ending == "csv" else [2, 4])
    with pytest.raises(ValueError, match="is already there"):
        Ledger(tmp_path / f"rows.{ending}", "same")


def test_unknown_numbers_keep_their_place_in_csv(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "rows.csv", "same")
    ledger.add([Row("a.png", p_values=(0.5, None, 0.25), strengths=(None, 1.0))])
    ledger.finish()
    table = pl.read_csv(tmp_path / "rows.csv")
    assert (table["p_values"][0], table["strengths"][0]) == ("0.5 nan 0.25", "nan 1.0")


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.parquet").touch()
    (tmp_path / "folder.parquet").mkdir()
    for name in ("empty.parquet", "folder.parquet"):
        with pytest.raises(ValueError, match=rf"{name} is there and holds no rows: move it away"):
            Ledger(tmp_path / name, "same")


def test_other_settings_are_refused(tmp_path: Path) -> None:
    Ledger(tmp_path / "rows.parquet", "periods=(2,)").add([Row("a.png")])
    with pytest.raises(ValueError, match=r"was measured with periods=\(2,\), not periods=\(4,\)"):
        Ledger(tmp_path / "rows.parquet", "periods=(4,)")


def test_other_endings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"ending '\.xls' is no format"):
        Ledger(tmp_path / "rows.xls", "")
