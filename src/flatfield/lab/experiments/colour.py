"""Grids are strongest in strong colours."""

from __future__ import annotations

from itertools import product

import numpy as np
import polars as pl
import torch
from torch import Tensor

from flatfield.lab.experiment import Bench, Cell, Column, Experiment, Outcome, Verdict, grid_of_cells
from flatfield.lab.experiments.inclusion import loss_curves
from flatfield.lab.painting import studio
from flatfield.lab.patches import GREY_LEVELS, to_tensor
from flatfield.lab.photographs import Picture
from flatfield.lab.scale import Scale
from flatfield.lab.statistics import mean_interval, slope_interval
from flatfield.lab.table import values

DECONVOLUTIONS = ("deconv-3", "deconv-4")
VARIANTS = (*DECONVOLUTIONS, "nearest")
LEVELS = (-0.8, -0.4, 0.0, 0.4, 0.8)
"""Of each channel, in tensor units: 125 flat colours from 26 to 230 of 255."""


def cells(scale: Scale) -> tuple[Cell, ...]:
    """Three upsamplers of an auto-encoder; slopes are quick to measure, so there are more seeds."""
    return grid_of_cells(("autoencoder",), VARIANTS, scale.many_seeds)


def palette() -> Tensor:
    """List the flat colours, (125, 3).

    >>> tuple(palette().shape)
    (125, 3)
    """
    return torch.tensor(list(product(LEVELS, repeat=3)))


def mean_colour(pictures: tuple[Picture, ...]) -> Tensor:
    """Average all pixels of the training pictures, (3,) in tensor units.

    >>> mean_colour((np.full((2, 2, 3), 255, dtype=np.uint8),)).tolist()
    [1.0, 1.0, 1.0]
    """
    return to_tensor(np.concatenate([picture.reshape(1, -1, 3) for picture in pictures], axis=1)).mean((1, 2))


def measure(cell: Cell, bench: Bench) -> Outcome:
    """Train, paint flat pictures of many colours, and regress the grid on the distance from the mean colour."""
    place = studio("autoencoder", cell.variant, bench)
    trained = place.trained(cell)
    colours = palette()
    grids = place.family.flat_colours(trained.networks, colours).each.numpy()
    mean = mean_colour(bench.photographs.training)
    distance = (GREY_LEVELS * (colours - mean).square().mean(1).sqrt()).double().numpy()
    slope = slope_interval(distance, grids)
    third = np.quantile(distance, [1 / 3, 2 / 3])
    row = {
        "slope": 100 * slope.estimate,
        "near": float(grids[distance <= third[0]].mean()),
        "far": float(grids[distance >= third[1]].mean()),
        "positive": slope.low > 0,
    }
    curves = [{"what": "grid over distance", "x": x, "y": y} for x, y in sorted(zip(distance, grids, strict=True))]
    return Outcome([row], [*curves, *loss_curves(trained.losses)])


def judge(frame: pl.DataFrame) -> Verdict:
    """Hold if the slope is positive, interval over seeds and all, in every transposed convolution."""
    slopes = {variant: mean_interval(values(frame, "slope", variant=variant)) for variant in VARIANTS}
    steep = [slopes[variant] for variant in DECONVOLUTIONS]
    holds = True if all(s.low > 0 for s in steep) else False if any(s.high <= 0 for s in steep) else None
    told = "; ".join(f"{variant} {slope}" for variant, slope in slopes.items())
    return Verdict(holds, f"grey levels of grid for every 100 grey levels away from the mean colour: {told}.")


COLOUR = Experiment(
    name="colour",
    claim="Grids are strongest in strong colours.",
    measured=(
        Column(
            "slope",
            "levels / 100 levels",
            "of grid strength over the distance from the mean colour (rms over channels)",
        ),
        Column("near", "grey levels", "grid in the third of the colours nearest to the mean"),
        Column("far", "grey levels", "grid in the third farthest from it"),
        Column("positive", "share", "networks whose own slope is above 0 with 95% confidence", share=True),
    ),
    cells=cells,
    measure=measure,
    judge=judge,
    charts=(("slope",),),
)
