"""A generator and a discriminator after DCGAN, with what keeps their game stable."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from flatfield.lab.models.decoder import SLOPE, Decoder, PixelNorm
from flatfield.nn import BlurPool2d

LATENT = 64
BASE = 4


class Generator(nn.Module):
    """Paint a picture from a latent vector: (n, 64) -> (n, 3, 4 2^stages, same), in [-1, 1].

    DCGAN (Radford et al. 2015) with pixel norm in the place of batch norm.

    >>> import torch
    >>> tuple(Generator(("nearest", "nearest", "deconv-3"))(torch.zeros(2, 64)).shape)
    (2, 3, 32, 32)
    """

    def __init__(self, stages: Sequence[str], width: int = 64) -> None:
        super().__init__()
        self.project = nn.Sequential(
            nn.Linear(LATENT, width * BASE * BASE),
            nn.Unflatten(1, (width, BASE, BASE)),
            PixelNorm(),
            nn.LeakyReLU(SLOPE),
        )
        self.decoder = Decoder(stages, width, normalised=True)
        self.last = nn.Tanh()

    def forward(self, latent: Tensor) -> Tensor:
        """Give the pictures of a batch of latent vectors."""
        painted: Tensor = self.last(self.decoder(self.features(latent)))
        return painted

    def features(self, latent: Tensor) -> Tensor:
        """Give what the decoder paints from."""
        features: Tensor = self.project(latent)
        return features


class NeutralGenerator(nn.Module):
    """Paint a picture by one matrix, a weight of its own for every pixel: neither for nor against any grid.

    >>> import torch
    >>> tuple(NeutralGenerator(16)(torch.zeros(2, 64)).shape)
    (2, 3, 16, 16)
    """

    def __init__(self, size: int, width: int = 256) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(LATENT, width),
            nn.LeakyReLU(SLOPE),
            nn.Linear(width, 3 * size * size),
            nn.Tanh(),
            nn.Unflatten(1, (3, size, size)),
        )

    def forward(self, latent: Tensor) -> Tensor:
        """Give the pictures of a batch of latent vectors."""
        painted: Tensor = self.layers(latent)
        return painted


def _step(inputs: int, outputs: int, down: str) -> list[nn.Module]:
    """Halve the size with a convolution in one of the three ways."""
    if down == "strided":
        return [nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.LeakyReLU(SLOPE)]
    same = [nn.Conv2d(inputs, outputs, 3, padding=1), nn.LeakyReLU(SLOPE)]
    if down == "blurred":
        return [*same, BlurPool2d()]
    if down == "stride-1":
        return same
    raise ValueError(f"there is no way down {down!r}; take strided, blurred or stride-1")


class Discriminator(nn.Module):
    """Say how real a picture looks: (n, 3, h, w) -> (n,); three steps, `width` channels at the end.

    `down` is "strided" (convolutions 3/2), "blurred" (stride 1, then `BlurPool2d`) or "stride-1" (no step skips
    anything). What comes out is averaged to 4 x 4 and weighed by one matrix, so that all three judge alike.

    >>> import torch
    >>> tuple(Discriminator("blurred")(torch.zeros(2, 3, 32, 32)).shape)
    (2,)
    """

    def __init__(self, down: str = "strided", width: int = 64) -> None:
        super().__init__()
        widths = (3, width // 4, width // 2, width)
        self.features = nn.Sequential()
        for inputs, outputs in pairwise(widths):
            self.features.extend(_step(inputs, outputs, down))
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(width * BASE * BASE, 1))

    def forward(self, picture: Tensor) -> Tensor:
        """Score a batch of pictures."""
        features = self.features(picture)
        if features.shape[-2:] != (BASE, BASE):  # averaging one by one is slow and changes nothing
            features = F.adaptive_avg_pool2d(features, BASE)
        scores: Tensor = self.head(features)
        return scores.squeeze(1)
