"""Periods compound, and a last layer of stride 1 damps those that divide its size."""

from __future__ import annotations

import re
from dataclasses import replace

import polars as pl
import torch

from flatfield.examples.seed import seeded
from flatfield.lab.draw import seed_of
from flatfield.lab.experiment import Bench, Cell, Column, Experiment, Outcome, Row, Verdict, grid_of_cells
from flatfield.lab.experiments.inclusion import loss_curves
from flatfield.lab.families import FAMILIES
from flatfield.lab.flat_response import FlatResponse, flat_response
from flatfield.lab.models.stack import Stack
from flatfield.lab.patches import Patches, tiled
from flatfield.lab.scale import Scale
from flatfield.lab.statistics import Interval, mean_interval, paired_difference
from flatfield.lab.table import values
from flatfield.lab.tasks.reconstruction import Smoothed
from flatfield.lab.train import train

BOTH = ("deconv-3", "deconv-4")
TRAINED_OF, TRAINED = "deconv-3", "trained-deconv-3"
DEPTHS = ("depth-1", "depth-2", "depth-3", "depth-4")
LAST = ("last-2", "last-3", "last-4", "last-5", "last-8")
BOXES = ("box-2", "box-3", "box-4")
WIDTH, FLATS = 32, 8
PRESENT = 0.01
"""Relative rms from which on a period counts as there in a random stack; flat layers have some 1e-14."""
LEARNT = 0.001
"""The same of a trained stack: about an eighth of a grey level."""
SHARE = 4
"""One in so many of a scale's starts: there are 24 variants, and their means are settled after 50."""


def cells(scale: Scale) -> tuple[Cell, ...]:
    """One cell a random variant, 3/2 and 4/2, since stacks are drawn in a moment; many seeds of trained ones, 3/2."""
    random = tuple(Cell(up, v, 0) for up in BOTH for v in (*DEPTHS, *LAST, *BOXES))
    return (*random, *grid_of_cells((TRAINED,), (*DEPTHS, *LAST[:4]), scale.many_seeds))


def parts_of(variant: str) -> tuple[int, int, bool]:
    """Say how deep a variant is, how large its last layer (0: none), and whether that is a box.

    >>> parts_of("box-2")
    (3, 2, True)
    """
    found = re.fullmatch(r"(depth|last|box)-(\d)", variant)
    if found is None:
        raise ValueError(f"there is no stack {variant!r}; take depth-N, last-N or box-N")
    kind, number = found[1], int(found[2])
    return (number, 0, False) if kind == "depth" else (3, number, kind == "box")


def stack_of(upsampler: str, variant: str) -> tuple[Stack, int]:
    """Build the stack of a variant, and say how deep it is.

    >>> stack_of("deconv-3", "box-2")[1]
    3
    """
    depth, last, box = parts_of(variant)
    return Stack(upsampler, depth, last, box=box, width=WIDTH), depth


def measure(cell: Cell, bench: Bench) -> Outcome:
    """Split a stack's answer to flat features by period: of random stacks, or of one that is trained."""
    return trained(cell, bench) if cell.family == TRAINED else drawn(cell, bench)


def drawn(cell: Cell, bench: Bench) -> Outcome:
    """Draw random stacks."""
    rows: list[Row] = []
    starts = max(2, bench.scale.starts // SHARE)
    for start in range(starts):
        with seeded(seed_of(start, "stack")):
            stack, depth = stack_of(cell.family, cell.variant)
            features = torch.randn(FLATS, WIDTH).abs().double()
        rows.append({"start": start, **relative(flat_response(stack.double(), features, depth))})
        bench.progress(start + 1, starts)
    return Outcome(rows)


def trained(cell: Cell, bench: Bench) -> Outcome:
    """Train an auto-encoder that has the stack as its decoder, in half the steps of other painters."""
    scale, family = bench.scale, FAMILIES["autoencoder"]
    depth, last, _ = parts_of(cell.variant)
    patches = Patches(bench.photographs.training, scale.patch)
    learnt = train(
        Smoothed(patches, (TRAINED_OF,) * depth, scale.width, last),
        replace(family.recipe(scale), steps=max(2, scale.steps // 2)),
        bench.fabric,
        cell.seed,
        checkpoint=bench.checkpoint(cell),
        every=scale.every,
        progress=bench.progress,
    )
    originals = tiled(bench.photographs.held_out, scale.patch, scale.held_out)
    quality = family.quality(family.paint(learnt.networks, originals), originals)
    row = {**relative(family.flat(learnt.networks, originals)), "quality": quality}
    return Outcome([row], loss_curves(learnt.losses))


def relative(response: FlatResponse) -> dict[str, float]:
    """Give the unevenness and its part in every period, relative to the rms of the answer."""
    whole = 127.5 * float(response.tiles.square().mean().sqrt())
    parts = {f"period_{p}": response.levels_of(p) / whole for p in (2, 4, 8, 16) if p <= response.tiles.shape[-1]}
    return {"unevenness": response.unevenness, **parts}


def judge(frame: pl.DataFrame) -> Verdict:
    """Hold if every depth brings its period in, boxes take out what divides them, and dividing layers damp more.

    The last is asked of size 2 against 3 for period 2 and of size 4 against 5 for period 4. All but the boxes is asked
    of random and of trained stacks, where trained grids are smaller and so is what counts as there.
    """
    random = min(_compound(frame, family) for family in BOTH)
    learnt = _compound(frame, TRAINED)
    boxes = max(_mean(frame, f, f"box-{k}", p) for f in BOTH for k, p in ((2, 2), (4, 2), (4, 4)))
    damping = {(f, k, p): _dividing(frame, f, k, p) for f in (TRAINED_OF, TRAINED) for k, p in ((2, 2), (4, 4))}
    sure = all(d.high < 0 for d in damping.values())
    wrong = random < PRESENT or learnt < LEARNT or boxes > 1e-6 or any(d.low > 0 for d in damping.values())
    deepest = "; ".join(f"{word} {_depths(frame, f)}" for word, f in (("random", TRAINED_OF), ("trained", TRAINED)))
    told = "; ".join(
        f"{'trained' if f == TRAINED else 'random'}, size {k} against {k + 1} at period {p}: {d}"
        for (f, k, p), d in damping.items()
    )
    return Verdict(
        False if wrong else True if sure else None,
        f"four layers 3/2 have periods 2 to 16 (relative rms, {deepest}); a box takes out what divides its size (rest "
        f"{boxes:.0e}); with last layers that are no boxes, relative rms behind dividing ones less that behind "
        f"others: {told}.",
    )


def _depths(frame: pl.DataFrame, family: str) -> str:
    return ", ".join(f"{p}: {_mean(frame, family, 'depth-4', p):.3f}" for p in (2, 4, 8, 16))


def _compound(frame: pl.DataFrame, family: str) -> float:
    """The faintest period of any depth."""
    return min(_mean(frame, family, f"depth-{d}", 2**i) for d in (1, 2, 3, 4) for i in range(1, d + 1))


def _mean(frame: pl.DataFrame, family: str, variant: str, period: int) -> float:
    return mean_interval(values(frame, f"period_{period}", family=family, variant=variant)).estimate


def _dividing(frame: pl.DataFrame, family: str, size: int, period: int) -> Interval:
    first, second = (values(frame, f"period_{period}", family=family, variant=f"last-{k}") for k in (size, size + 1))
    return paired_difference(first, second)


STACKED = Experiment(
    name="stacked",
    claim="Periods compound; a last stride-1 layer damps those that divide its size.",
    measured=(
        Column("quality", "dB", "PSNR on held-out pictures, of trained ones"),
        Column("unevenness", "", "of the stack's answer to flat features"),
        Column("period_2", "relative rms", "the part of period 2 alone"),
        Column("period_4", "relative rms", "the part of period 4 alone"),
        Column("period_8", "relative rms", "the part of period 8 alone"),
        Column("period_16", "relative rms", "the part of period 16 alone"),
    ),
    cells=cells,
    measure=measure,
    judge=judge,
    charts=(("period_2", "period_4", "period_8", "period_16"),),
)
