"""Not only GANs: feed-forward style transfer shows grids with deconvolution, none with resize-convolution."""

from __future__ import annotations

import polars as pl
import torch

from flatfield.lab.experiment import Bench, Cell, Column, Experiment, Outcome, Verdict, grid_of_cells
from flatfield.lab.experiments.gradients import classifier_of
from flatfield.lab.experiments.inclusion import loss_curves
from flatfield.lab.families import FAMILIES, FIELD
from flatfield.lab.flat_response import decoder_response
from flatfield.lab.lattice import phase_locked
from flatfield.lab.models.classifier import Classifier
from flatfield.lab.painting import SHOWN
from flatfield.lab.patches import Patches, tiled, to_bytes
from flatfield.lab.photographs import TEXTURES, bundled_picture
from flatfield.lab.scale import Scale
from flatfield.lab.statistics import mean_interval
from flatfield.lab.table import values
from flatfield.lab.tasks.classification import Scenes
from flatfield.lab.tasks.stylisation import Losses, Stylisation
from flatfield.lab.train import train

VARIANTS = ("deconv-3", "deconv-4", "nearest", "bilinear", "flat-4")
DEPTH = 2
VISIBLE = 0.5


def cells(scale: Scale) -> tuple[Cell, ...]:
    """Five upsamplers; each seed has a texture of its own, as long as there are some."""
    return grid_of_cells(("transfer",), VARIANTS, scale.seeds)


def measure(cell: Cell, bench: Bench) -> Outcome:
    """Train a classifier, then a transfer network on its features, and measure the grid."""
    scale = bench.scale
    judge = classifier_of(cell, bench, Scenes.of(bench.photographs), "max-pool").networks["classifier"]
    assert isinstance(judge, Classifier)
    texture = TEXTURES[cell.seed % len(TEXTURES)]
    losses = Losses(judge, tiled([bundled_picture(texture)], scale.patch, 16))
    task = Stylisation(
        Patches(bench.photographs.training, scale.patch), losses, (cell.variant,) * DEPTH, scale.width // 2
    )
    trained = train(
        task,
        FAMILIES["superresolution"].recipe(scale),
        bench.fabric,
        cell.seed,
        checkpoint=bench.checkpoint(cell, "transfer"),
        every=scale.every,
        progress=bench.progress,
    )
    painter = trained.networks["painter"].cpu()
    originals = tiled(bench.photographs.held_out, scale.patch, scale.held_out)
    with torch.no_grad():
        painted = painter(originals)
        style, content = losses.both(painted, originals, judge.cpu())
    flats = originals[:32].mean((2, 3))[:, :, None, None].expand(-1, -1, FIELD, FIELD)
    row = {
        "texture": texture.removesuffix(".png"),
        "grid": decoder_response(painter, flats).levels,
        "locked": phase_locked(painted, originals, 2**DEPTH),
        "style": float(style),
        "content": float(content),
    }
    pictures = {"samples": to_bytes(painted[:SHOWN])} if cell.seed == 0 else {}
    return Outcome([row], loss_curves(trained.losses), pictures)


def judge(frame: pl.DataFrame) -> Verdict:
    """Hold if both deconvolutions have a visible grid on flat fields, beyond doubt, and neither resize has one."""
    grids = {variant: mean_interval(values(frame, "grid", variant=variant)) for variant in VARIANTS}
    drawn = [grids[v] for v in ("deconv-3", "deconv-4")]
    clean = max(grids[v].estimate for v in ("nearest", "bilinear")) < VISIBLE
    holds = True if clean and all(g.low > VISIBLE for g in drawn) else None
    if not clean or any(g.high < VISIBLE for g in drawn):
        holds = False
    told = ", ".join(f"{variant} {grid}" for variant, grid in grids.items())
    return Verdict(holds, f"grid on flat fields, grey levels: {told}.")


STYLE = Experiment(
    name="style",
    claim="Not only GANs: style transfer shows grids with deconvolution, none with resize-convolution.",
    measured=(
        Column("grid", "grey levels", "rms on flat fields"),
        Column(
            "locked",
            "grey levels",
            "rms of what painted pictures have in common at each phase, borders included, where zero padding has a "
            "phase of its own",
        ),
        Column("style", "", "distance of Gram matrices from the texture's, relative to their power"),
        Column("content", "", "distance of deep features from the original's, relative to their power"),
    ),
    cells=cells,
    measure=measure,
    judge=judge,
    charts=(("grid",), ("style",)),
)
