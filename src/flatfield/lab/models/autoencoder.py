"""A convolutional auto-encoder with a bottleneck."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from flatfield.lab.models.decoder import SLOPE, Decoder


class Autoencoder(nn.Module):
    """Squeeze a picture through few numbers and paint it again: (n, 3, h, w) -> the same.

    Convolutions 3/2 down, one for each stage of the decoder, `code` channels at the bottleneck: with three stages a
    picture of 3 * 64 numbers an 8 x 8 square passes as `code` of them. `decoder` stands in for the plain one.

    >>> import torch
    >>> tuple(Autoencoder(("deconv-4",) * 3)(torch.zeros(1, 3, 32, 32)).shape)
    (1, 3, 32, 32)
    """

    def __init__(
        self, stages: Sequence[str], width: int = 64, code: int = 24, decoder: nn.Module | None = None
    ) -> None:
        super().__init__()
        widths = [3, *(max(16, width // 2 ** (len(stages) - 1 - i)) for i in range(len(stages)))]
        self.encoder = nn.Sequential()
        for inputs, outputs in pairwise(widths):
            self.encoder.append(nn.Conv2d(inputs, outputs, 3, stride=2, padding=1))
            self.encoder.append(nn.LeakyReLU(SLOPE))
        self.encoder.append(nn.Conv2d(widths[-1], code, 1))
        self.expand = nn.Sequential(nn.Conv2d(code, width, 1), nn.LeakyReLU(SLOPE))
        self.decoder = Decoder(stages, width) if decoder is None else decoder

    def forward(self, picture: Tensor) -> Tensor:
        """Give the pictures as the bottleneck lets them through."""
        painted: Tensor = self.decoder(self.features(picture))
        return painted

    def features(self, picture: Tensor) -> Tensor:
        """Give what the decoder paints from."""
        features: Tensor = self.expand(self.encoder(picture))
        return features
