"""A super-resolution network: all work at low resolution, upsampling at the end."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from flatfield.lab.models.decoder import SLOPE, Decoder


class Residual(nn.Module):
    """Add what two convolutions see to a signal: (n, channels, h, w) -> the same.

    >>> import torch
    >>> tuple(Residual(8)(torch.zeros(1, 8, 4, 4)).shape)
    (1, 8, 4, 4)
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.steps = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Give the signal with the residue added."""
        residue: Tensor = self.steps(x)
        return x + residue


class SuperResolution(nn.Module):
    """Paint a picture from its small version: (n, 3, h, w) -> (n, 3, 2^stages h, 2^stages w).

    The structure of SRResNet (Ledig et al. 2017) without its normalisation: residual blocks, then the stages.

    >>> import torch
    >>> tuple(SuperResolution(("deconv-3",) * 2)(torch.zeros(1, 3, 8, 8)).shape)
    (1, 3, 32, 32)
    """

    def __init__(self, stages: Sequence[str], width: int = 32, blocks: int = 2) -> None:
        super().__init__()
        self.factor = 2 ** len(stages)
        self.body = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.LeakyReLU(SLOPE))
        self.body.extend(Residual(width) for _ in range(blocks))
        self.decoder = Decoder(stages, width)

    def forward(self, small: Tensor) -> Tensor:
        """Enlarge a batch of small pictures."""
        painted: Tensor = self.decoder(self.features(small))
        return painted

    def features(self, small: Tensor) -> Tensor:
        """Give what the decoder paints from."""
        features: Tensor = self.body(small)
        return features

    def shrink(self, picture: Tensor) -> Tensor:
        """Give the small version of a picture: means of squares, which have no phase of their own."""
        return F.avg_pool2d(picture, self.factor)
