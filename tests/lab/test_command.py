"""`flatfield lab`: list, run, report."""

from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from flatfield.cli.lab import lab
from flatfield.lab.experiments import EXPERIMENTS

RUNNER = CliRunner()


def test_list_names_every_experiment_and_claim() -> None:
    result = RUNNER.invoke(lab, ["list"])
    assert result.exit_code == 0
    for experiment in EXPERIMENTS:
        assert experiment.name in result.output
        assert experiment.claim in result.output


def test_run_and_report(tmp_path: Path) -> None:
    runs, page = str(tmp_path / "runs"), str(tmp_path / "page")
    result = RUNNER.invoke(lab, ["run", "gradients", "--scale", "tiny", "--steps", "6", "--seeds", "2", "--runs", runs])
    assert result.exit_code == 0, result.output
    assert "The claim " in result.output
    assert len(pl.read_parquet(tmp_path / "runs" / "gradients" / "rows.parquet")) == 30
    result = RUNNER.invoke(lab, ["report", "--runs", runs, "-o", page])
    assert result.exit_code == 0, result.output
    text = (tmp_path / "page" / "report.md").read_text(encoding="utf-8")
    assert "flatfield lab run gradients --scale tiny --steps 6 --seeds 2`" in text
    assert "Not run: inclusion" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "nothing"], "there is no experiment 'nothing'"),
        (["run", "colour", "--scale", "huge"], "there is no scale 'huge'"),
        (["run", "colour", "--scale", "tiny", "--data", "nowhere"], "there is no folder nowhere"),
        (["report", "--runs", "nowhere"], "nowhere holds no run"),
    ],
)
def test_refusals_are_one_line_and_status_2(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = RUNNER.invoke(lab, arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
