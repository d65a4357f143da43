"""Style transfer: the Gram matrices of a texture, the deep features of the picture."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flatfield.lab.draw import Draw
from flatfield.lab.models.classifier import Classifier
from flatfield.lab.models.transfer import Transfer
from flatfield.lab.patches import Patches
from flatfield.lab.task import Networks, Part


def gram(features: Tensor) -> Tensor:
    """Give the products of the channels, averaged over positions: (n, c, h, w) -> (n, c, c) (Gatys et al. 2016).

    >>> gram(torch.ones(1, 2, 4, 4)).tolist()
    [[[1.0, 1.0], [1.0, 1.0]]]
    """
    lines = features.flatten(2)
    return lines @ lines.transpose(1, 2) / lines.shape[2]


@dataclass(frozen=True)
class Losses:
    """How far painted pictures are from a style and from their originals, by a classifier's features.

    Each layer's part is relative to the power of what it is compared with, so that layers weigh alike.
    """

    classifier: Classifier
    style: Tensor

    def both(self, painted: Tensor, originals: Tensor, classifier: Classifier) -> tuple[Tensor, Tensor]:
        """Give the style loss and the content loss."""
        seen, wanted = classifier.features(painted), classifier.features(originals)
        textures = [gram(layer).mean(0, keepdim=True) for layer in classifier.features(self.style.to(painted.device))]
        style = torch.stack(
            [
                (gram(layer) - texture).square().mean() / texture.square().mean()
                for layer, texture in zip(seen, textures, strict=True)
            ]
        ).mean()
        content = F.mse_loss(seen[-1], wanted[-1]) / wanted[-1].square().mean()
        return style, content


@dataclass(frozen=True)
class Stylisation:
    """Train a transfer network on style plus `content` times content; the classifier stays as it is."""

    patches: Patches
    losses: Losses
    stages: Sequence[str]
    width: int = 32
    content: float = 1.0

    @property
    def parts(self) -> tuple[Part, ...]:
        """One loss, one network."""
        return (Part("style", "painter"),)

    def networks(self) -> dict[str, nn.Module]:
        """Build the transfer network; the classifier comes with it, so that it is where the pictures are."""
        return {"painter": Transfer(self.stages, self.width), "judge": copy.deepcopy(self.losses.classifier)}

    def loss(self, part: str, networks: Networks, draw: Draw) -> Tensor:
        """Give style plus content on a batch."""
        painter, judge = networks["painter"], networks["judge"]
        assert isinstance(judge, Classifier)
        originals = self.patches.sample(draw).to(next(painter.parameters()).device)
        style, content = self.losses.both(painter(originals), originals, judge)
        return style + self.content * content
