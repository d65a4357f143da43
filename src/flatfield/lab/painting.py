"""Painting: train one network of a family and lay its pictures out, as most experiments do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from flatfield.core import unevenness
from flatfield.examples.seed import seeded
from flatfield.lab.draw import seed_of
from flatfield.lab.experiment import Bench, Cell
from flatfield.lab.families import FAMILIES, Family
from flatfield.lab.flat_response import flat_response
from flatfield.lab.patches import Patches, tiled
from flatfield.lab.task import Task
from flatfield.lab.train import Trained, Watch, train

SHOWN = 16
"""Pictures on a sample sheet."""


@dataclass(frozen=True)
class Studio:
    """A family, the stages of its decoder, and the data of a bench."""

    family: Family
    stages: Sequence[str]
    bench: Bench

    @property
    def task(self) -> Task:
        """What is trained."""
        scale = self.bench.scale
        return self.family.task(Patches(self.bench.photographs.training, scale.patch), self.stages, scale.width)

    def originals(self, size: int | None = None) -> Tensor:
        """Pictures that painted ones are held against, side by side: of held-out scenes where there is an input.

        A generator has none and can't know scenes that it never saw: it is held against those it was trained on.
        """
        scale, photographs = self.bench.scale, self.bench.photographs
        scenes = photographs.held_out if self.family.paired else photographs.training
        return tiled(scenes, size or scale.patch, scale.held_out)

    def untrained(self, seed: int) -> dict[str, nn.Module]:
        """Build the networks that a training with this seed starts from."""
        with seeded(seed_of(seed, "start")):
            return {name: network.eval() for name, network in self.task.networks().items()}

    def trained(self, cell: Cell, *, name: str = "", steps: int | None = None, watch: Watch | None = None) -> Trained:
        """Train, or go on training; `steps` other than the recipe's, `name` for a second training of the same cell."""
        recipe = self.family.recipe(self.bench.scale)
        if steps is not None:
            recipe = replace(recipe, steps=steps)
        return train(
            self.task,
            recipe,
            self.bench.fabric,
            cell.seed,
            checkpoint=self.bench.checkpoint(cell, name),
            every=self.bench.scale.every,
            watch=watch,
            progress=self.bench.progress,
        )


def studio(family: str, stages: Sequence[str] | str, bench: Bench) -> Studio:
    """Set up a family with these stages, or with one upsampler in all of them."""
    found = FAMILIES[family]
    chosen = (stages,) * found.depth if isinstance(stages, str) else tuple(stages)
    return Studio(found, chosen, bench)


def weight_unevenness(stage: nn.Module, inputs: int) -> float:
    """Measure the unevenness of one stage's phase gains, whatever the stage is made of: its answer to unit vectors.

    >>> from flatfield.lab.upsampling import upsampling
    >>> weight_unevenness(upsampling("nearest", 8, 3).double(), 8) < 1e-12
    True
    """
    units = torch.cat((torch.zeros(1, inputs), torch.eye(inputs))).double()
    tiles = flat_response(stage, units, stages=1).tiles
    gains = (tiles[1:] - tiles[:1]).permute(2, 3, 1, 0)
    return unevenness(gains.numpy())
