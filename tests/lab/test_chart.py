"""Charts of the report: what they are drawn from, and that grey and the blind can tell."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from flatfield.figures.export import to_svg
from flatfield.figures.style import DARK, LIGHT
from flatfield.figures.training_curves import DASHES, SHAPES, Look, training_curves
from flatfield.lab.chart import interval_rows, save_charts
from flatfield.lab.experiments import find_experiment
from flatfield.lab.statistics import mean_interval

COLOUR = find_experiment("colour")
SLOPES = {"deconv-3": (1.0, 2.0, 4.0), "nearest": (0.0, 0.0, 0.0)}


def rows() -> pl.DataFrame:
    told = [("autoencoder", v, seed, slope) for v, slopes in SLOPES.items() for seed, slope in enumerate(slopes)]
    return pl.DataFrame(told, schema=["family", "variant", "seed", "slope"], orient="row")


def test_intervals_are_those_of_the_table() -> None:
    first, second = interval_rows(COLOUR, rows(), ("slope",))
    interval = mean_interval(SLOPES["deconv-3"])
    assert (first["variant"], second["variant"]) == ("deconv-3", "nearest")
    assert (first["low"], first["estimate"], first["high"]) == pytest.approx(
        (interval.low, interval.estimate, interval.high)
    )
    assert second["low"] == second["high"] == 0.0


def test_a_single_seed_has_no_interval_and_is_drawn_as_a_point() -> None:
    (only,) = interval_rows(COLOUR, rows().filter(seed=1, variant="deconv-3"), ("slope",))
    assert only["low"] == only["high"] == only["estimate"] == 2.0


def test_files_and_words(tmp_path: Path) -> None:
    curves = pl.DataFrame(
        [("autoencoder", v, s, "error loss", x, 1.0 / x) for v in SLOPES for s in (0, 1) for x in (1, 2, 4)],
        schema=["family", "variant", "seed", "what", "x", "y"],
        orient="row",
    )
    intervals, losses = save_charts(COLOUR, rows(), curves, tmp_path)
    assert (losses.light.name, losses.dark.name) == ("colour-error-loss-light.svg", "colour-error-loss-dark.svg")
    assert LIGHT.paper in losses.light.read_text("utf-8")
    assert DARK.paper in losses.dark.read_text("utf-8")
    assert intervals.words.endswith("autoencoder deconv-3 2.33, autoencoder nearest 0.")
    assert losses.words == "error loss over step: one line for deconv-3, nearest, in a panel for autoencoder."


@pytest.mark.parametrize("points", [False, True])
def test_eight_kinds_differ_without_their_colours(points: bool) -> None:
    """Of eight lines (clouds of points), each has a dash (shape) that no other has."""
    told = [{"family": "a", "variant": f"kind-{i}", "x": x, "y": i + x} for i in range(8) for x in (1.0, 2.0)]
    chart = training_curves(told, Look("step", "loss", points=points))
    spec = chart.to_dict()["spec"]["encoding"]["shape" if points else "strokeDash"]["scale"]
    assert spec["domain"] == [f"kind-{i}" for i in range(8)]
    assert len({str(mark) for mark in spec["range"]}) == len(DASHES) == len(SHAPES) == len(LIGHT.series) == 8
    if not points:
        svg = to_svg(chart)
        assert len({dash.split('"')[0] for dash in svg.split('stroke-dasharray="')[1:]}) >= 7
