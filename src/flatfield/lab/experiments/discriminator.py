"""A strided discriminator writes grids into a neutral generator."""

from __future__ import annotations

import polars as pl

from flatfield.lab.experiment import Bench, Cell, Column, Experiment, Outcome, Verdict, grid_of_cells
from flatfield.lab.experiments.inclusion import loss_curves
from flatfield.lab.families import FAMILIES
from flatfield.lab.lattice import phase_locked, set_lattice
from flatfield.lab.painting import SHOWN
from flatfield.lab.patches import Patches, tiled, to_bytes
from flatfield.lab.quality import sliced_wasserstein
from flatfield.lab.scale import Scale
from flatfield.lab.statistics import mean_interval, paired_difference
from flatfield.lab.table import values
from flatfield.lab.tasks.adversarial import NEUTRAL, Adversarial
from flatfield.lab.train import train

VARIANTS = ("strided", "stride-1", "blurred")
PERIOD = 8


def cells(scale: Scale) -> tuple[Cell, ...]:
    """Three discriminators against a generator that has a weight of its own for every pixel."""
    return grid_of_cells(("neutral",), VARIANTS, scale.seeds)


def measure(cell: Cell, bench: Bench) -> Outcome:
    """Train, paint, and measure what the pictures have in common at each phase."""
    scale, family = bench.scale, FAMILIES["gan"]
    trained = train(
        Adversarial(Patches(bench.photographs.training, scale.patch), NEUTRAL, scale.width, cell.variant),
        family.recipe(scale),
        bench.fabric,
        cell.seed,
        checkpoint=bench.checkpoint(cell),
        every=scale.every,
        progress=bench.progress,
    )
    originals = tiled(bench.photographs.training, scale.patch, scale.held_out)
    painted = family.paint(trained.networks, originals)
    lattice = set_lattice(painted)
    row = {
        "grid": bool(lattice.found),
        "locked": phase_locked(painted, None, PERIOD),
        "originals": phase_locked(originals, None, PERIOD),
        **{f"strength_{p}": s for p, s in zip(lattice.periods, lattice.strengths, strict=True)},
        "quality": sliced_wasserstein(painted, originals),
    }
    pictures = {"samples": to_bytes(painted[:SHOWN])} if cell.seed == 0 else {}
    return Outcome([row], loss_curves(trained.losses), pictures)


def judge(frame: pl.DataFrame) -> Verdict:
    """Hold if the phases of pictures made under a strided discriminator differ more than under both others."""
    locked = {variant: values(frame, "locked", variant=variant) for variant in VARIANTS}
    against = [paired_difference(locked["strided"], locked[other]) for other in VARIANTS[1:]]
    holds = True if all(d.low > 0 for d in against) else False if any(d.high < 0 for d in against) else None
    told = ", ".join(f"{variant} {mean_interval(numbers)}" for variant, numbers in locked.items())
    floor = mean_interval(values(frame, "originals")).estimate
    return Verdict(holds, f"rms over phases of 8 pixels, grey levels: {told}; photographs {floor:.2g}.")


DISCRIMINATOR = Experiment(
    name="discriminator",
    claim="A strided discriminator writes grids into a neutral generator.",
    measured=(
        Column("grid", "share", "networks in whose pictures the lattice statistic finds a period", share=True),
        Column(
            "locked",
            "grey levels",
            "rms of what the pictures have in common at each phase of 8 pixels, borders included",
        ),
        Column("originals", "grey levels", "the same of as many photographs: chance"),
        Column("strength_2", "grey levels", "period 2, rms"),
        Column("strength_4", "grey levels", "period 4, rms"),
        Column("strength_8", "grey levels", "period 8, rms"),
        Column("quality", "grey levels", "sliced Wasserstein distance from photographs"),
    ),
    cells=cells,
    measure=measure,
    judge=judge,
    charts=(("locked",), ("strength_2", "strength_4", "strength_8")),
)
