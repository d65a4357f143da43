"""The grid is there before any training."""

from __future__ import annotations

import numpy as np
import polars as pl

from flatfield.lab.experiment import Bench, Cell, Column, Experiment, Outcome, Verdict
from flatfield.lab.lattice import set_lattice
from flatfield.lab.painting import studio
from flatfield.lab.patches import to_bytes
from flatfield.lab.scale import Scale
from flatfield.lab.statistics import share_interval
from flatfield.lab.table import values
from flatfield.lab.upsampling import UPSAMPLERS

VARIANTS = ("deconv-3", "deconv-4", "deconv-5", "subpixel", "subpixel-icnr", "nearest", "bilinear", "flat-4")
DECONVOLUTIONS = ("deconv-3", "deconv-4", "deconv-5")
RESIZES = ("nearest", "bilinear")
PICTURES = 16


def cells(scale: Scale) -> tuple[Cell, ...]:
    """One cell a variant: random generators are drawn in a moment."""
    return tuple(Cell("gan", variant, 0) for variant in VARIANTS)


def measure(cell: Cell, bench: Bench) -> Outcome:
    """Draw generators, let each paint sixteen pictures of noise, and look for a lattice."""
    place = studio("gan", cell.variant, bench)
    originals = place.originals()[:PICTURES]
    rows, shown = [], []
    for start in range(bench.scale.starts):
        networks = place.untrained(start)
        painted = place.family.paint(networks, originals, seed=start)
        # stretched to full contrast, as one would to look at it: an untrained picture is nearly grey
        stretched = painted / painted.abs().amax(dim=(1, 2, 3), keepdim=True)
        lattice = set_lattice(stretched)
        response = place.family.flat(networks, originals)
        found = {f"found_{p}": p in lattice.found for p in lattice.periods}
        rows.append({"start": start, "grid": bool(lattice.found), "unevenness": response.unevenness, **found})
        if start < 16:
            shown.append(to_bytes(stretched[0]))
        bench.progress(start + 1, bench.scale.starts)
    return Outcome(rows, pictures={"untrained": np.stack(shown)})


def judge(frame: pl.DataFrame) -> Verdict:
    """Hold if every transposed convolution shows a grid in more than half of the starts, and resizes in under 5%."""
    shares = {}
    for variant in VARIANTS:
        grids = values(frame, "grid", variant=variant)
        shares[variant] = share_interval(int(sum(grids)), len(grids))
    drawn = all(shares[v].low > 0.5 for v in DECONVOLUTIONS)
    clean = all(shares[v].high < 0.05 for v in RESIZES)
    refuted = any(shares[v].high < 0.5 for v in DECONVOLUTIONS) or any(shares[v].low > 0.05 for v in RESIZES)
    told = ", ".join(f"{UPSAMPLERS[v].name} {shares[v].estimate:.0%}" for v in VARIANTS)
    return Verdict(
        True if drawn and clean else False if refuted else None, f"untrained generators with a grid: {told}."
    )


UNTRAINED = Experiment(
    name="untrained",
    claim="The grid is there before any training.",
    measured=(
        Column("grid", "share", "random starts in which the lattice statistic finds a period", share=True),
        Column("found_2", "share", "with period 2", share=True),
        Column("found_4", "share", "with period 4", share=True),
        Column("found_8", "share", "with period 8", share=True),
        Column("unevenness", "", "of the generator's answer to flat features"),
    ),
    cells=cells,
    measure=measure,
    judge=judge,
    originals=False,
    charts=(("found_2", "found_4", "found_8"),),
)
