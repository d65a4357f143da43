"""Tell scenes apart: which picture is a patch of?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flatfield.lab.draw import Draw
from flatfield.lab.models.classifier import Classifier
from flatfield.lab.patches import Patches, tiled
from flatfield.lab.photographs import TEXTURES, Photographs, Picture, bundled_picture
from flatfield.lab.task import Networks, Part


@dataclass(frozen=True)
class Scenes:
    """One class a picture: the left three quarters to train on, the rest held out."""

    pictures: tuple[Picture, ...]

    @classmethod
    def of(cls, photographs: Photographs) -> Scenes:
        """Take three training scenes (the fourth is the third seen with the other eye), the held-out ones, textures."""
        textures = tuple(bundled_picture(name) for name in TEXTURES)
        return cls((*photographs.training[:3], *photographs.held_out, *textures))

    def training(self, size: int) -> list[Patches]:
        """Patches to train on, class by class."""
        return [Patches([picture[:, : 3 * picture.shape[1] // 4]], size) for picture in self.pictures]

    def held_out(self, size: int, count: int) -> tuple[Tensor, Tensor]:
        """Give held-out patches and their classes, about `count` in all."""
        each = max(1, count // len(self.pictures))
        parts = [tiled([picture[:, 3 * picture.shape[1] // 4 :]], size, each) for picture in self.pictures]
        labels = torch.cat([torch.full((len(part),), i) for i, part in enumerate(parts)])
        return torch.cat(parts), labels


@dataclass(frozen=True)
class Classification:
    """Train a classifier by cross entropy."""

    patches: list[Patches]
    down: str
    width: int = 64

    @property
    def parts(self) -> tuple[Part, ...]:
        """One loss, one network."""
        return (Part("entropy", "classifier"),)

    def networks(self) -> dict[str, nn.Module]:
        """Build the classifier."""
        return {"classifier": Classifier(self.down, len(self.patches), self.width)}

    def loss(self, part: str, networks: Networks, draw: Draw) -> Tensor:
        """Give the cross entropy of a batch."""
        classifier = networks["classifier"]
        device = next(classifier.parameters()).device
        labels = draw.integers(len(self.patches))
        # a batch of every class, of which each row takes its own: what a row shows depends on no other process
        chosen = torch.stack([patches.sample(draw) for patches in self.patches])[labels, torch.arange(len(labels))]
        return F.cross_entropy(classifier(chosen.to(device)), labels.to(device))
