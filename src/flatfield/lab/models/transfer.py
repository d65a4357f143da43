"""A feed-forward style transfer network."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from flatfield.lab.models.decoder import SLOPE, Decoder, PixelNorm
from flatfield.lab.models.superresolution import Residual


class Transfer(nn.Module):
    """Paint a picture anew in the style it was trained on: (n, 3, h, w) -> the same.

    The structure of Johnson, Alahi & Fei-Fei 2016, small: two convolutions 3/2 down, residual blocks, two stages up.

    >>> import torch
    >>> tuple(Transfer(("nearest",) * 2)(torch.zeros(1, 3, 32, 32)).shape)
    (1, 3, 32, 32)
    """

    def __init__(self, stages: Sequence[str], width: int = 32, blocks: int = 2) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, width // 2, 3, stride=2, padding=1),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(width // 2, width, 3, stride=2, padding=1),
            PixelNorm(),
            nn.LeakyReLU(SLOPE),
            *(Residual(width) for _ in range(blocks)),
        )
        self.decoder = Decoder(stages, width, normalised=True)

    def forward(self, picture: Tensor) -> Tensor:
        """Paint a batch of pictures."""
        painted: Tensor = self.decoder(self.features(picture))
        return painted

    def features(self, picture: Tensor) -> Tensor:
        """Give what the decoder paints from."""
        features: Tensor = self.body(picture)
        return features
