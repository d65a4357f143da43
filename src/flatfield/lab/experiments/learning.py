"""Even overlap learns grids too, and training doesn't remove them."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
from torch import Tensor

from flatfield.lab.experiment import Bench, Cell, Column, Experiment, Outcome, Row, Verdict, grid_of_cells
from flatfield.lab.experiments.inclusion import loss_curves
from flatfield.lab.flat_response import exact
from flatfield.lab.painting import Studio, studio, weight_unevenness
from flatfield.lab.scale import Scale
from flatfield.lab.statistics import mean_interval
from flatfield.lab.table import values
from flatfield.lab.task import Networks
from flatfield.lab.train import Watch

VARIANTS = ("deconv-3", "deconv-4", "deconv-5", "flat-4", "nearest")
VISIBLE = 0.5
"""Grey levels rms: about half a step of an 8-bit picture, below which rounding hides a grid on a flat field."""


def cells(scale: Scale) -> tuple[Cell, ...]:
    """Five upsamplers of an auto-encoder."""
    return grid_of_cells(("autoencoder",), VARIANTS, scale.seeds)


def watched(steps: int) -> tuple[int, ...]:
    """Choose the steps looked at: before the first, then doubling up to the last.

    >>> watched(600)
    (0, 9, 18, 37, 75, 150, 300, 600)
    """
    return tuple(sorted({0, *(steps >> i for i in range(7))}))


def measure(cell: Cell, bench: Bench) -> Outcome:
    """Train, and look at the weights and at the answer to flat fields on the way."""
    place = studio("autoencoder", cell.variant, bench)
    originals = place.originals()

    def observe(step: int, networks: Networks) -> Sequence[Row]:
        return [look(place, networks, originals)]

    trained = place.trained(cell, watch=Watch(watched(bench.scale.steps), observe))
    curves = [{"what": "flat-field grid", "x": row["step"], "y": row["grid"]} for row in trained.observed]
    return Outcome(trained.observed, [*curves, *loss_curves(trained.losses)])


def look(place: Studio, networks: Networks, originals: Tensor) -> Row:
    """Measure one moment: the last stage's weights, the whole decoder's answer, and the quality."""
    painter = exact(place.family.painter(networks))
    response = place.family.flat(networks, originals)
    return {
        "weights": weight_unevenness(painter.decoder.stages[-1], painter.decoder.widths[-1]),
        "probe": response.unevenness,
        "grid": response.levels,
        "quality": place.family.quality(place.family.paint(networks, originals), originals),
    }


def judge(frame: pl.DataFrame) -> Verdict:
    """Hold if 4/2 has a visible grid after training, beyond doubt, though nearest has none."""
    last = frame.filter(pl.col("step") == pl.col("step").max())
    first = frame.filter(pl.col("step") == 0)
    even = mean_interval(values(last, "grid", variant="deconv-4"))
    clean = max(values(last, "grid", variant="nearest"), default=0.0)
    told = []
    for variant in VARIANTS:
        before, after = (mean_interval(values(part, "grid", variant=variant)).estimate for part in (first, last))
        told.append(f"{variant} {before:.2f} -> {after:.2f}")
    holds = True if even.low > VISIBLE and clean < VISIBLE else False if even.high < VISIBLE else None
    return Verdict(
        holds, f"grid on flat fields of 4/2 (even overlap) after training: {even} grey levels; {', '.join(told)}."
    )


LEARNING = Experiment(
    name="learning",
    claim="Even overlap learns grids too; training does not remove them.",
    measured=(
        Column("weights", "", "unevenness of the last stage's phase gains"),
        Column("probe", "", "unevenness of the decoder's answer to flat fields"),
        Column("grid", "grey levels", "the same as an rms"),
        Column("quality", "dB", "PSNR on held-out pictures"),
    ),
    cells=cells,
    measure=measure,
    judge=judge,
    by=("step",),
)
