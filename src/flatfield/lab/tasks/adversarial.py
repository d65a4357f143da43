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
    """Train a generator by the hinge losses (Lim & Ye 2017), the discriminator under spectral norm.

    The discriminator learns twice as fast (Heusel et al. 2017). `stages` are the generator's, or `NEUTRAL` for one
    that has no upsampling at all; `down` is how the discriminator halves.
    """

    patches: Patches
    stages: Sequence[str]
    width: int = 64
    down: str = "strided"

    @property
    def parts(self) -> tuple[Part, ...]:
        """The discriminator moves first."""
        return (Part("discriminator", "judge", 2.0), Part("generator", "painter"))

    def networks(self) -> dict[str, nn.Module]:
        """Build both."""
        neutral = tuple(self.stages) == NEUTRAL
        painter = NeutralGenerator(self.patches.size) if neutral else Generator(self.stages, self.width)
        return {"painter": painter, "judge": Discriminator(self.down, self.width)}

    def loss(self, part: str, networks: Networks, draw: Draw) -> Tensor:
        """Give the hinge loss of one side on a batch."""
        painter, judge = networks["painter"], networks["judge"]
        device = next(painter.parameters()).device
        latents = draw.normal(LATENT).to(device)
        if part == "generator":
            judged: Tensor = judge(painter(latents))
            return -judged.mean()
        with torch.no_grad():
            painted = painter(latents)
        real = self.patches.sample(draw).to(device)
        # one pass for both, since the discriminator's gradients are shared once a step
        scores = judge(torch.cat((real, painted)))
        return F.relu(1 - scores[: len(real)]).mean() + F.relu(1 + scores[len(real) :]).mean()
