"""The cure on finished networks: what goes of the grid, and what it costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import polars as pl
from torch import Tensor, nn

from flatfield.cure.examples import Examples, unheard
from flatfield.cure.planning import plan
from flatfield.cure.pytorch.correct import correct
from flatfield.cure.pytorch.corrected import Corrected
from flatfield.cure.pytorch.flatten import flatten
from flatfield.cure.pytorch.recover import Look, Schedule, recovered
from flatfield.cure_report import CurePlan
from flatfield.lab.draw import Draw, generator_of
from flatfield.lab.experiment import Bench, Cell, Column, Experiment, Outcome, Row, Verdict, grid_of_cells
from flatfield.lab.experiments.inclusion import INCLUSION, LAST, stages_of
from flatfield.lab.families import FAMILIES, Family
from flatfield.lab.flat_response import exact
from flatfield.lab.lattice import phase_locked
from flatfield.lab.painting import SHOWN, Studio, studio
from flatfield.lab.patches import Patches, tiled, to_bytes
from flatfield.lab.photographs import Picture
from flatfield.lab.runs import RunFolder, configuration
from flatfield.lab.scale import Scale
from flatfield.lab.statistics import Interval, bootstrap_interval, paired_difference
from flatfield.lab.table import values
from flatfield.lab.weights import load_weights
from flatfield.readers.pytorch import read_module

CONTROL, DECONVOLUTIONS = "none", ("last", "last-two", "last-two-even")
ORIGINAL, CURES = "original", ("correct", "correct-there", "flatten", "recover")
BATCHES = 32
"""Batches that a cure learns from."""
STEPS = 2.0
"""Steps of a recovery for each of the training that it repairs."""
NATURAL = 20
"""Pictures that the grid is looked for in, for each that quality is measured on: few leave too much to chance."""
BORDER = 8
"""Pixels on every side that the grid is not looked for in: what zero padding does there keeps its place, too."""
PAINTED = {"autoencoder": 0.3, "superresolution": 0.3}
"""How many dB of its quality a recovered network may lose, for the families whose pictures have an original."""


def cells(scale: Scale) -> tuple[Cell, ...]:
    """The networks of `inclusion`: those with transposed convolutions, and one without as a control."""
    return grid_of_cells(tuple(FAMILIES), (CONTROL, *DECONVOLUTIONS), scale.seeds)


def finished(cell: Cell, place: Studio) -> nn.Module:
    """Load the network that `inclusion` kept in the folder beside, if the same run made it; else train it again."""
    kept = RunFolder(place.bench.folder.parent / INCLUSION.name)
    file = kept.weights(cell, "painter")
    ours = configuration(INCLUSION, place.bench.scale, place.bench.photographs.source)["decides"]
    if not file.exists() or kept.configuration()["decides"] != ours:
        return place.family.painter(place.trained(cell).networks)
    painter = place.family.painter(place.untrained(cell.seed))
    load_weights(file, painter)
    return painter.eval()


def learnt_from(cell: Cell, place: Studio, scenes: Sequence[Picture]) -> Examples:
    """Draw inputs from pictures, or latent vectors: no labels, nothing that is measured on."""
    scale = place.bench.scale
    batches = min(BATCHES, 2 * scale.steps)
    draw = Draw(generator_of(cell.seed, "cured"), scale.batch * batches)
    inputs = place.family.inputs(Patches(scenes, scale.patch).sample(draw), 1 + cell.seed)
    return Examples([(batch,) for batch in inputs.split(scale.batch)], f"{len(inputs)} pictures")


def halves(scenes: Sequence[Picture]) -> tuple[list[Picture], list[Picture]]:
    """Cut every picture into its left and its right half."""
    middles = [picture.shape[1] // 2 for picture in scenes]
    pairs = list(zip(scenes, middles, strict=True))
    return [picture[:, :middle] for picture, middle in pairs], [picture[:, middle:] for picture, middle in pairs]


def cured(painter: nn.Module, cell: Cell, place: Studio) -> Iterator[tuple[str, nn.Module, tuple[Look, ...]]]:
    """Give the network as it was and after each cure, with the way of the recovery.

    A correction is calibrated on training scenes, and ("correct-there") on the other halves of the very scenes that it
    is measured on: a correction is a function of colour, and knows only the colours that it has seen.
    """
    yield ORIGINAL, painter, ()
    learnt = learnt_from(cell, place, place.bench.photographs.training)
    asked = CurePlan(cell.name, "correct")
    corrected, _ = correct(asked, painter, learnt, unheard)
    yield "correct", corrected, ()
    there = corrected
    if place.family.paired:
        there, _ = correct(
            asked, painter, learnt_from(cell, place, halves(place.bench.photographs.held_out)[0]), unheard
        )
    yield "correct-there", there, ()
    if cell.variant == CONTROL:
        return
    planned = plan(read_module(painter, learnt.batches[0], target=cell.name), "flatten")
    yield "flatten", flatten(planned, painter, learnt, unheard)[0], ()
    steps = round(STEPS * place.bench.scale.steps)
    schedule = Schedule(steps=steps, rate=4e-3, look=max(1, steps // 20), seed=cell.seed)
    imitation = recovered(replace(planned, how="recover"), painter, learnt, teacher=corrected, schedule=schedule)
    yield "recover", imitation.module, imitation.curve


def measure(cell: Cell, bench: Bench) -> Outcome:
    """Cure one finished network in each way, and measure what it paints for held-out pictures."""
    family = FAMILIES[cell.family]
    place = studio(cell.family, stages_of(cell.variant, family.depth), bench)
    originals, natural = held_out(place)
    period = 2 ** max(1, len(LAST[cell.variant][0]))
    rows: list[Row] = []
    curves: list[Row] = []
    pictures: dict[str, np.ndarray] = {}
    for cure, network, way in cured(finished(cell, place), cell, place):
        painted = family.paint({"painter": network}, originals)
        locked = locked_within(family, network, natural, period)
        quality = family.quality(painted, originals)
        rows.append({"cure": cure, "grid": flat_grid(family, network, originals), "locked": locked, "quality": quality})
        curves += [{"what": "recovery, dB to the original", "x": look.step, "y": look.psnr} for look in way]
        pictures |= {cure: to_bytes(painted[:SHOWN])} if cell.seed == 0 else {}
    return Outcome(rows, curves, pictures)


def held_out(place: Studio) -> tuple[Tensor, Tensor]:
    """Cut patches side by side for quality, and draw `NATURAL` times as many for the grid, of halves nobody saw."""
    scale, photographs = place.bench.scale, place.bench.photographs
    scenes = halves(photographs.held_out if place.family.paired else photographs.training)[1]
    draw = Draw(generator_of("natural"), NATURAL * scale.held_out)
    return tiled(scenes, scale.patch, scale.held_out), Patches(scenes, scale.patch).sample(draw)


def locked_within(family: Family, network: nn.Module, natural: Tensor, period: int) -> float:
    """Measure what is locked to the phase in natural pictures, away from their borders, in grey levels."""
    inside = (..., slice(BORDER, -BORDER), slice(BORDER, -BORDER))
    painted = family.paint({"painter": network}, natural)[inside]
    return phase_locked(painted, natural[inside] if family.paired else None, period)


def flat_grid(family: Family, network: nn.Module, originals: Tensor) -> float:
    """Measure the grid on flat fields, in grey levels."""
    painter, seen = network, family
    if isinstance(network, Corrected):
        correction = exact(network.correction)
        painter, seen = network.model, replace(family, colours=lambda x: correction(family.colours(x)))
    return seen.flat({"painter": painter}, originals).levels


def excess(frame: pl.DataFrame, cure: str) -> np.ndarray:
    """Give, for every deconvolution network, what is locked to the phase beyond the control of its family.

    Powers are subtracted: what chance and the pictures add is independent of the grid.
    """
    beyond = [
        np.array(values(frame, "locked", family=family, variant=variant, cure=cure)) ** 2
        - np.mean(np.square(values(frame, "locked", family=family, variant=CONTROL, cure=ORIGINAL)))
        for family in FAMILIES
        for variant in DECONVOLUTIONS
    ]
    return np.asarray(np.sqrt(np.maximum(np.concatenate(beyond), 0.0)))


def left(frame: pl.DataFrame, cure: str) -> Interval:
    """Estimate the median share of the excess that a cure leaves; what is below the control counts as none."""
    return bootstrap_interval(excess(frame, cure) / np.maximum(excess(frame, ORIGINAL), 1e-9))


def loss(frame: pl.DataFrame, cure: str, family: str) -> Interval:
    """Estimate the quality that a cure costs, network by network; positive where it costs."""
    first, second = (
        [v for variant in DECONVOLUTIONS for v in values(frame, "quality", family=family, variant=variant, cure=c)]
        for c in (ORIGINAL, cure)
    )
    cost = paired_difference(first, second)
    if FAMILIES[family].better > 0:
        return cost
    return Interval(-cost.estimate, -cost.high, -cost.low, cost.count)


def judge(frame: pl.DataFrame) -> Verdict:
    """Hold if a correction leaves a third of the excess or less and a recovery no grid, both at hardly any cost.

    It is asked of corrections calibrated on training scenes, as it was before any was measured; what those calibrated
    on the same scenes do was looked at after a first run, and is told beside it.
    """
    elsewhere, there = left(frame, "correct"), left(frame, "correct-there")
    grid = max(values(frame, "grid", cure="recover"), default=float("nan"))
    costs = {c: {f: loss(frame, c, f) for f in FAMILIES} for c in CURES}
    kept = all(costs["correct"][f].estimate <= 0.02 and costs["recover"][f].estimate <= PAINTED[f] for f in PAINTED)
    told = "; ".join(
        f"{cure} costs " + ", ".join(f"{family} {cost} {FAMILIES[family].unit}" for family, cost in each.items())
        for cure, each in costs.items()
    )
    holds = elsewhere.estimate <= 1 / 3 and grid < 0.01 and kept
    return Verdict(
        holds,
        f"flat-field correction leaves {elsewhere} of the excess over a resize-convolution network (median), where a "
        f"third was asked, and {there} where it is calibrated on the same scenes; a recovery leaves "
        f"{left(frame, 'recover')} and "
        f"{grid:.1g} grey levels on flat fields at the most; {told}.",
    )


CURED = Experiment(
    name="cured",
    claim="A finished network can be cured: by a flat-field correction most of its grid goes at no loss of quality, "
    "by flattening and imitation all of it at hardly any.",
    measured=(
        Column("grid", "grey levels", "rms on flat fields"),
        Column("locked", "grey levels", "rms of what painted pictures have in common at each phase, borders left out"),
        Column("quality", "dB, or grey levels", "PSNR on held-out pictures; for the GAN sliced Wasserstein distance"),
    ),
    cells=cells,
    measure=measure,
    judge=judge,
    by=("cure",),
    charts=(("grid",), ("locked",), ("quality",)),
    note="The networks are those of `inclusion`. Measured on the right halves of held-out scenes; corrections are "
    "calibrated on training scenes (correct) or on the left halves of the held-out ones (correct-there); recoveries "
    "imitate the corrected network on training scenes.",
)
