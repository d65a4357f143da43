"""Where transposed convolutions stand decides which periods are seen."""

from __future__ import annotations

from itertools import product

import polars as pl

from flatfield.lab.cost import kept_for_backward
from flatfield.lab.experiment import Bench, Cell, Column, Experiment, Outcome, Verdict, grid_of_cells
from flatfield.lab.families import FAMILIES
from flatfield.lab.lattice import set_lattice
from flatfield.lab.painting import SHOWN, studio
from flatfield.lab.patches import to_bytes
from flatfield.lab.scale import Scale
from flatfield.lab.statistics import share_interval
from flatfield.lab.table import values

LAST: dict[str, tuple[tuple[str, ...], tuple[int, ...]]] = {
    "none": ((), ()),
    "last": (("deconv-3",), (2,)),
    "last-two": (("deconv-3", "deconv-3"), (2, 4)),
    "last-two-even": (("deconv-4", "deconv-4"), (2, 4)),
}
"""Variant -> its last stages (nearest resize-convolutions before them) and the periods that the claim gives it."""
EDGE = 64
"""Pixels a side of the pictures that the statistic sees; a generator's are what they are."""


def cells(scale: Scale) -> tuple[Cell, ...]:
    """Three families, four variants."""
    return grid_of_cells(tuple(FAMILIES), tuple(LAST), scale.seeds)


def stages_of(variant: str, depth: int) -> tuple[str, ...]:
    """Lay out the stages of a variant.

    >>> stages_of("last", 3)
    ('nearest', 'nearest', 'deconv-3')
    """
    last, _ = LAST[variant]
    return ("nearest",) * (depth - len(last)) + last


def measure(cell: Cell, bench: Bench) -> Outcome:
    """Train, paint, and list the periods that the lattice statistic finds."""
    family = FAMILIES[cell.family]
    place = studio(cell.family, stages_of(cell.variant, family.depth), bench)
    trained = place.trained(cell)
    originals = place.originals()
    painted = family.paint(trained.networks, originals)
    lattice = set_lattice(family.paint(trained.networks, place.originals(EDGE)))
    response = family.flat(trained.networks, originals)
    row = {
        "periods": ",".join(map(str, lattice.found)),
        "right": lattice.found == LAST[cell.variant][1],
        **{f"found_{p}": p in lattice.found for p in lattice.periods},
        "grid": response.levels,
        **{f"strength_{p}": s for p, s in zip(lattice.periods, lattice.strengths, strict=True)},
        **{f"flat_{p}": response.levels_of(p) for p in (2, 4, 8)},
        "quality": family.quality(painted, originals),
        "memory": kept_for_backward(place.task, bench.scale.batch) / 2**20,
        "steps_per_second": trained.steps_per_second,
    }
    pictures = {"samples": to_bytes(painted[:SHOWN])} if cell.seed == 0 else {}
    return Outcome([row], loss_curves(trained.losses), pictures, {"painter": family.painter(trained.networks)})


def loss_curves(losses: tuple[dict[str, float], ...], points: int = 100) -> list[dict[str, float | str]]:
    """Thin the losses of a training to about `points` means a line."""
    length = max(1, len(losses) // points)
    lines: list[dict[str, float | str]] = []
    for start, name in product(range(0, len(losses) - length + 1, length), [n for n in losses[0] if n != "step"]):
        block = [row[name] for row in losses[start : start + length]]
        lines.append({"what": f"{name} loss", "x": losses[start + length - 1]["step"], "y": sum(block) / length})
    return lines


def judge(frame: pl.DataFrame) -> Verdict:
    """Hold if nine in ten networks show exactly the periods of their variant."""
    right = values(frame, "right")
    share = share_interval(int(sum(right)), len(right))
    each = []
    for variant, (_, periods) in LAST.items():
        of_variant = values(frame, "right", variant=variant)
        named = "{" + ", ".join(map(str, periods)) + "}"
        each.append(f"{variant} {named} {sum(of_variant):.0f} of {len(of_variant)}")
    holds = True if share.estimate >= 0.9 else False if share.high < 0.9 else None
    return Verdict(holds, f"networks with exactly the claimed periods: {share} ({'; '.join(each)}).")


INCLUSION = Experiment(
    name="inclusion",
    claim="Deconvolution in the last two layers: periods 2 and 4. Only in the last: 2. Nowhere: none.",
    measured=(
        Column("right", "share", "networks whose pictures show exactly the claimed periods", share=True),
        Column("found_2", "share", "networks in whose pictures the statistic finds period 2", share=True),
        Column("found_4", "share", "the same of period 4", share=True),
        Column("found_8", "share", "the same of period 8", share=True),
        Column("strength_2", "grey levels", "period 2 in the painted pictures, rms"),
        Column("strength_4", "grey levels", "period 4 in the painted pictures, rms"),
        Column("strength_8", "grey levels", "period 8 in the painted pictures, rms"),
        Column("flat_2", "grey levels", "period 2 on flat fields, rms"),
        Column("flat_4", "grey levels", "period 4 on flat fields, rms"),
        Column("flat_8", "grey levels", "period 8 on flat fields, rms"),
        Column("quality", "dB, or grey levels", "PSNR on held-out pictures; for the GAN sliced Wasserstein distance"),
        Column("steps_per_second", "1/s", "speed of training, processor time"),
        Column("memory", "MiB", "kept by one step for its backward pass"),
    ),
    cells=cells,
    measure=measure,
    judge=judge,
    charts=(("strength_2", "strength_4", "strength_8"), ("flat_2", "flat_4", "flat_8"), ("quality",)),
)
