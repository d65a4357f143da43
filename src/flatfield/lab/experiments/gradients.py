"""Gradients of strided networks are gridded, and jitter cancels part of it."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import torch

from flatfield.lab.experiment import Bench, Cell, Column, Experiment, Outcome, Verdict, grid_of_cells
from flatfield.lab.experiments.inclusion import loss_curves
from flatfield.lab.families import FAMILIES
from flatfield.lab.flat_response import exact
from flatfield.lab.input_gradient import jittered, power_unevenness
from flatfield.lab.models.classifier import DOWN
from flatfield.lab.scale import Scale
from flatfield.lab.statistics import mean_interval, paired_difference
from flatfield.lab.table import values
from flatfield.lab.tasks.classification import Classification, Scenes
from flatfield.lab.train import Trained, train
from flatfield.probe.gradient import probe_gradient

JITTERS = (0, 1, 2, 4, 8)
PROBED = 2
PERIOD, FOREIGN = 8, 7
"""Three steps that halve have period 8; nothing in the networks has period 7."""


def cells(scale: Scale) -> tuple[Cell, ...]:
    """Three ways down of a classifier."""
    return grid_of_cells(("classifier",), DOWN, scale.seeds)


def classifier_of(cell: Cell, bench: Bench, scenes: Scenes, down: str) -> Trained:
    """Train a classifier on the scenes, in half the steps of a painter."""
    scale = bench.scale
    recipe = FAMILIES["autoencoder"].recipe(scale)
    return train(
        Classification(scenes.training(scale.patch), down, scale.width),
        replace(recipe, steps=max(2, scale.steps // 2), rate=2e-3),
        bench.fabric,
        cell.seed,
        checkpoint=bench.checkpoint(cell, "classifier"),
        every=scale.every,
        progress=bench.progress,
    )


def measure(cell: Cell, bench: Bench) -> Outcome:
    """Train a classifier and measure its gradients at held-out pictures, under each jitter."""
    scenes = Scenes.of(bench.photographs)
    trained = classifier_of(cell, bench, scenes, cell.variant)
    classifier = trained.networks["classifier"].cpu()
    pictures, labels = scenes.held_out(bench.scale.patch, bench.scale.held_out)
    with torch.no_grad():
        right = float((classifier(pictures).argmax(1) == labels).float().mean())
    probed = probe_gradient(exact(classifier), pictures[:PROBED].double()).unevenness
    rows = []
    for jitter in JITTERS:
        slopes = jittered(classifier, pictures, jitter)
        uneven, chance = (power_unevenness(slopes, period) for period in (PERIOD, FOREIGN))
        # the probe is of the network as it is, without jitter
        rows.append(
            {
                "jitter": jitter,
                "unevenness": uneven,
                "chance": chance,
                "probe": None if jitter else probed,
                "accuracy": right,
            }
        )
    curves = [{"what": "unevenness over jitter", "x": row["jitter"], "y": row["unevenness"]} for row in rows]
    return Outcome(rows, [*curves, *loss_curves(trained.losses)])


def judge(frame: pl.DataFrame) -> Verdict:
    """Hold if strided gradients are more uneven than chance and than blurred ones, and jitter takes some of it."""
    plain = frame.filter(pl.col("jitter") == 0)
    per_variant = {v: values(plain, "unevenness", variant=v) for v in DOWN}
    over_chance = paired_difference(per_variant["strided"], values(plain, "chance", variant="strided"))
    over_blurred = paired_difference(per_variant["strided"], per_variant["blurred"])
    after = values(frame.filter(pl.col("jitter") == max(JITTERS)), "unevenness", variant="strided")
    jitter = paired_difference(per_variant["strided"], after)
    every = (over_chance, over_blurred, jitter)
    holds = True if all(d.low > 0 for d in every) else False if any(d.high < 0 for d in every) else None
    told = ", ".join(f"{v} {mean_interval(numbers)}" for v, numbers in per_variant.items())
    probed = ", ".join(f"{v} {mean_interval(values(plain, 'probe', variant=v)).estimate:.2g}" for v in DOWN)
    return Verdict(
        holds,
        f"unevenness of the gradient's power over phases of 8 pixels: {told}; chance "
        f"{mean_interval(values(plain, 'chance')).estimate:.2g}; jitter 0..8 takes off {jitter} of strided; the "
        f"backward probe: {probed}.",
    )


GRADIENTS = Experiment(
    name="gradients",
    claim="Gradients of strided networks are gridded; jitter cancels part.",
    measured=(
        Column("unevenness", "", "deviation over mean of the gradient's power at the phases of period 8"),
        Column("chance", "", "the same at period 7, which nothing in the networks has"),
        Column("probe", "", "unevenness of a flat gradient sent back on a flat field; of max pool on noise"),
        Column("accuracy", "share of 1", "held-out patches classified right"),
    ),
    cells=cells,
    measure=measure,
    judge=judge,
    by=("jitter",),
)
