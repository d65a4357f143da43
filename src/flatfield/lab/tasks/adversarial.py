"""A generator against a discriminator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flatfield.lab.draw import Draw
from flatfield.lab.models.gan import LATENT, Discriminator, Generator, NeutralGenerator
from flatfield.lab.patches import Patches
from flatfield.lab.task import Networks, Part

NEUTRAL = ("neutral",)


@dataclass(frozen=True)
class Adversarial:
    """Train a generator by the logistic losses, held steady by R1 (Mescheder, Geiger & Nowozin 2018).

    R1 is the squared gradient of the scores of real pictures, times `penalty` / 2. `stages` are the generator's, or
    `NEUTRAL` for one that has no upsampling at all; `down` is how the discriminator halves.
    """

    patches: Patches
    stages: Sequence[str]
    width: int = 64
    down: str = "strided"
    penalty: float = 0.5

    @property
    def parts(self) -> tuple[Part, ...]:
        """The discriminator moves first."""
        return (Part("discriminator", "judge"), Part("generator", "painter"))

    def networks(self) -> dict[str, nn.Module]:
        """Build both."""
        neutral = tuple(self.stages) == NEUTRAL
        painter = NeutralGenerator(self.patches.size) if neutral else Generator(self.stages, self.width)
        return {"painter": painter, "judge": Discriminator(self.down, self.width)}

    def loss(self, part: str, networks: Networks, draw: Draw) -> Tensor:
        """Give the logistic loss of one side on a batch."""
        painter, judge = networks["painter"], networks["judge"]
        device = next(painter.parameters()).device
        latents = draw.normal(LATENT).to(device)
        if part == "generator":
            wanted: Tensor = F.softplus(-judge(painter(latents))).mean()
            return wanted
        with torch.no_grad():
            painted = painter(latents)
        real = self.patches.sample(draw).to(device).requires_grad_()
        # one pass for both, since processes share the discriminator's gradients once a step
        scores = judge(torch.cat((real, painted)))
        told_apart: Tensor = F.softplus(-scores[: len(real)]).mean() + F.softplus(scores[len(real) :]).mean()
        (slope,) = torch.autograd.grad(scores[: len(real)].sum(), real, create_graph=True)
        return told_apart + self.penalty / 2 * slope.square().sum((1, 2, 3)).mean()
