"""Auto-encoders and super-resolution: paint the patch again, least squares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from flatfield.lab.draw import Draw
from flatfield.lab.models.autoencoder import Autoencoder
from flatfield.lab.models.stack import Stack
from flatfield.lab.models.superresolution import SuperResolution
from flatfield.lab.patches import Patches
from flatfield.lab.task import Networks, Part


@dataclass(frozen=True)
class Reconstruction:
    """Train an auto-encoder on patches: the squared error of the painted patch."""

    patches: Patches
    stages: Sequence[str]
    width: int = 64

    @property
    def parts(self) -> tuple[Part, ...]:
        """One loss, one network."""
        return (Part("error", "painter"),)

    def networks(self) -> dict[str, nn.Module]:
        """Build the auto-encoder."""
        return {"painter": Autoencoder(self.stages, self.width)}

    def loss(self, part: str, networks: Networks, draw: Draw) -> Tensor:
        """Give the mean squared error of a batch."""
        painter = networks["painter"]
        patches = self.patches.sample(draw).to(next(painter.parameters()).device)
        return F.mse_loss(painter(patches), patches)


@dataclass(frozen=True)
class Smoothed(Reconstruction):
    """The same with a convolution of stride 1 and size `last` behind the stages, which are all alike; 0 for none."""

    last: int = 0

    def networks(self) -> dict[str, nn.Module]:
        """Build the auto-encoder with its longer decoder."""
        stack = Stack(self.stages[0], len(self.stages), self.last, width=self.width)
        return {"painter": Autoencoder(self.stages, self.width, decoder=stack)}


@dataclass(frozen=True)
class Enlargement:
    """Train a super-resolution network on patches made small by averaging squares."""

    patches: Patches
    stages: Sequence[str]
    width: int = 32

    @property
    def parts(self) -> tuple[Part, ...]:
        """One loss, one network."""
        return (Part("error", "painter"),)

    def networks(self) -> dict[str, nn.Module]:
        """Build the super-resolution network."""
        return {"painter": SuperResolution(self.stages, self.width)}

    def loss(self, part: str, networks: Networks, draw: Draw) -> Tensor:
        """Give the mean squared error of a batch."""
        painter = networks["painter"]
        patches = self.patches.sample(draw).to(next(painter.parameters()).device)
        small = F.avg_pool2d(patches, 2 ** len(self.stages))
        return F.mse_loss(painter(small), patches)
