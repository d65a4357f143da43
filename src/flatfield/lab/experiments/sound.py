"""It holds in one dimension: upsampling layers of a vocoder hum at fixed tones."""

from __future__ import annotations

import math
from collections.abc import Sequence

import polars as pl
import torch
from torch.nn import functional as F

from flatfield.lab.experiment import Bench, Cell, Column, Experiment, Outcome, Row, Verdict, grid_of_cells
from flatfield.lab.experiments.inclusion import loss_curves
from flatfield.lab.families import FAMILIES
from flatfield.lab.flat_response import decoder_response
from flatfield.lab.scale import Scale
from flatfield.lab.sounds import FRAMES, HELD_OUT, HOP, RATE, TRAINING, Pieces, missing, sounds, spectrum
from flatfield.lab.statistics import mean_interval
from flatfield.lab.table import values
from flatfield.lab.task import Networks
from flatfield.lab.tasks.vocoding import Vocoding
from flatfield.lab.train import Watch, train

VARIANTS = ("deconv-3", "deconv-4", "subpixel", "nearest", "bilinear", "flat-4")
DRAWS = ("deconv-3", "deconv-4")
CLEAN = ("nearest", "bilinear", "flat-4")
DEPTH = 4
SILENCE = -200.0
AUDIBLE = -60.0
"""dB of full scale: a tone at a thousandth of the range is heard in any pause."""


def cells(scale: Scale) -> tuple[Cell, ...]:
    """Six upsamplers of one vocoder."""
    return grid_of_cells(("vocoder",), VARIANTS, scale.seeds)


def measure(cell: Cell, bench: Bench) -> Outcome:
    """Train, and listen to steady spectra before and after: what sounds at multiples of the frame rate is a grid."""
    scale = bench.scale
    held_out = Pieces(sounds(HELD_OUT)).spread(scale.held_out)

    def observe(step: int, networks: Networks) -> Sequence[Row]:
        return [listen(networks, held_out)]

    trained = train(
        Vocoding(Pieces(sounds(TRAINING)), (cell.variant,) * DEPTH, scale.width),
        FAMILIES["superresolution"].recipe(scale),
        bench.fabric,
        cell.seed,
        checkpoint=bench.checkpoint(cell),
        every=scale.every,
        watch=Watch((0, scale.steps), observe),
        progress=bench.progress,
    )
    rows = [{**row, "state": "trained" if row["step"] else "untrained"} for row in trained.observed]
    return Outcome(rows, loss_curves(trained.losses))


def listen(networks: Networks, held_out: torch.Tensor) -> Row:
    """Give the level of the tones in dB of full scale, the loudest one, and how near held-out spectra come."""
    painter = networks["painter"].cpu()
    heard = spectrum(held_out)
    steady = heard.mean(2, keepdim=True).expand(-1, -1, FRAMES).contiguous()
    tile = decoder_response(painter, steady[:32]).tiles[:, 0]
    tones = torch.fft.rfft(tile, dim=1)[:, 1:].abs().square().mean(0) * 2 / HOP**2
    with torch.no_grad():
        distance = float(F.l1_loss(spectrum(painter(heard)), heard))
    return {
        "tones": level(float((tile - tile.mean(1, keepdim=True)).square().mean())),
        "loudest": (1 + int(tones.argmax())) * RATE / HOP if float(tones.max()) > 0 else None,
        "distance": distance,
    }


def level(power: float) -> float:
    """Say a power in dB of full scale, no lower than `SILENCE`.

    >>> level(0.01), level(0.0)
    (-20.0, -200.0)
    """
    return max(SILENCE, 10 * math.log10(power)) if power > 0 else SILENCE


def judge(frame: pl.DataFrame) -> Verdict:
    """Hold if both deconvolutions have audible tones before and after training, and resize and flat none after."""
    levels = {
        (v, state): mean_interval(values(frame, "tones", variant=v, state=state))
        for v in VARIANTS
        for state in ("untrained", "trained")
    }
    drawn = [levels[v, state] for v in DRAWS for state in ("untrained", "trained")]
    clean = all(levels[v, "trained"].estimate < AUDIBLE for v in CLEAN)
    holds = True if clean and all(tone.low > AUDIBLE for tone in drawn) else None
    if not clean or any(tone.high < AUDIBLE for tone in drawn):
        holds = False
    told = ", ".join(
        f"{v} {levels[v, 'untrained'].estimate:.0f} -> {levels[v, 'trained'].estimate:.0f}" for v in VARIANTS
    )
    return Verdict(holds, f"tones under a steady spectrum, dB of full scale, before and after training: {told}.")


SOUND = Experiment(
    name="sound",
    claim="It holds in 1-D: deconvolutions hum, resize-convolutions don't.",
    measured=(
        Column("tones", "dB of full scale", "what repeats every 16 samples under a steady spectrum; -200: nothing"),
        Column("loudest", "Hz", "the loudest of the tones"),
        Column("distance", "", "of log magnitudes of held-out sounds, in units of 80 dB"),
    ),
    cells=cells,
    measure=measure,
    judge=judge,
    charts=(("tones",), ("distance",)),
    by=("state",),
    needs=missing,
)
