"""Families: the kinds of networks that paint pictures, seen through one interface."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flatfield.lab.draw import generator_of
from flatfield.lab.flat_response import FlatResponse, decoder_response
from flatfield.lab.models.gan import LATENT
from flatfield.lab.patches import Patches
from flatfield.lab.quality import psnr, sliced_wasserstein
from flatfield.lab.recipe import Recipe
from flatfield.lab.scale import Scale
from flatfield.lab.task import Networks, Task
from flatfield.lab.tasks.adversarial import Adversarial
from flatfield.lab.tasks.reconstruction import Enlargement, Reconstruction

FLATS = 32
FIELD = 48
"""Pixels a side of a flat picture: its middle is out of the borders' reach in every family (5 of 12 small pixels)."""


@dataclass(frozen=True)
class Family:
    """One kind of network: how it is trained, what it paints, what it makes of flat fields.

    `depth` is the number of stages that double; `quality` compares painted pictures with originals in `unit`, and
    `better` is +1 where more is better, -1 where less is. `paired`: each painted picture has its original.
    `painter(networks)` must have a `decoder` that is fed by `features`.
    """

    name: str
    depth: int
    task: Callable[[Patches, Sequence[str], int], Task]
    recipe: Callable[[Scale], Recipe]
    inputs: Callable[[Tensor, int], Tensor]
    colours: Callable[[Tensor], Tensor]
    quality: Callable[[Tensor, Tensor], float]
    unit: str
    better: int
    paired: bool

    def painter(self, networks: Networks) -> nn.Module:
        """The network that paints."""
        return networks["painter"]

    @torch.no_grad()
    def paint(self, networks: Networks, originals: Tensor, seed: int = 0) -> Tensor:
        """Paint one picture for each original."""
        painter = self.painter(networks)
        inputs = self.inputs(originals, seed).to(next(painter.parameters()).device)
        painted: Tensor = painter(inputs).cpu()
        return painted

    def flat(self, networks: Networks, originals: Tensor) -> FlatResponse:
        """Run the decoder on flat features as the originals give them: those of their mean colours."""
        return self.flat_colours(networks, originals[:FLATS].mean((2, 3)))

    def flat_colours(self, networks: Networks, colours: Tensor) -> FlatResponse:
        """Run the decoder on flat pictures of given colours (n, 3); a generator paints n latent vectors instead."""
        flat = colours[:, :, None, None].expand(-1, -1, FIELD, FIELD)
        return decoder_response(self.painter(networks), self.inputs(flat, 0), self.colours)


def _same(pictures: Tensor, seed: int) -> Tensor:
    return pictures


def _small(pictures: Tensor, seed: int) -> Tensor:
    return F.avg_pool2d(pictures, 4)


def _latents(pictures: Tensor, seed: int) -> Tensor:
    return torch.randn(len(pictures), LATENT, generator=generator_of(seed, "latents")).to(pictures.dtype)


FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family(
            "autoencoder",
            3,
            Reconstruction,
            lambda scale: Recipe(scale.steps, scale.batch, rate=6e-3),
            _same,
            lambda x: x,
            psnr,
            "dB",
            +1,
            True,
        ),
        Family(
            "superresolution",
            2,
            lambda patches, stages, width: Enlargement(patches, stages, width // 2),
            lambda scale: Recipe(scale.steps, scale.batch, rate=6e-3),
            _small,
            lambda x: x,
            psnr,
            "dB",
            +1,
            True,
        ),
        Family(
            "gan",
            3,
            Adversarial,
            lambda scale: Recipe(scale.steps, scale.batch, rate=2e-3, betas=(0.0, 0.99), clip=10.0),
            _latents,
            torch.tanh,
            sliced_wasserstein,
            "grey levels",
            -1,
            False,
        ),
    )
}
"""The families, by name: what is trained three ways in `inclusion` and `upsamplers`."""
