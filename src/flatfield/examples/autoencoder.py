"""A convolution-deconvolution auto-encoder."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from flatfield.examples.field import smooth_field
from flatfield.examples.statistics import settle_statistics


class Autoencoder(nn.Module):
    """Squeeze a picture to 1/24 of its numbers and paint it again: (n, 3, h, w) -> the same, in [-1, 1].

    Convolutions 4/2 down, a bottleneck of 8 channels at 1/8 of the size, deconvolutions 4/2 up; 8 must divide h and w.
    The overlap is even and the grid of random weights is there all the same (Odena et al. 2016, "Overlap & Learning").
    No layer knows positions, so away from the borders a flat picture stays flat up to the first deconvolution.

    >>> import torch
    >>> tuple(Autoencoder()(torch.zeros(1, 3, 32, 32)).shape)
    (1, 3, 32, 32)
    """

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 16, 32, 64)
        self.encoder = nn.Sequential()
        for inputs, outputs in pairwise(widths):
            self.encoder += nn.Sequential(
                nn.Conv2d(inputs, outputs, 4, stride=2, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()
            )
        self.bottleneck = nn.Conv2d(64, 8, 1)
        self.decoder = nn.Sequential(nn.Conv2d(8, 64, 1), nn.BatchNorm2d(64), nn.ReLU())
        for inputs, outputs in ((64, 32), (32, 16)):
            self.decoder += nn.Sequential(
                nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()
            )
        self.decoder += nn.Sequential(nn.ConvTranspose2d(16, 3, 4, stride=2, padding=1), nn.Tanh())

    def forward(self, picture: Tensor) -> Tensor:
        """Give the pictures as the bottleneck lets them through."""
        painted: Tensor = self.decoder(self.bottleneck(self.encoder(picture)))
        return painted

    def example_inputs(self) -> tuple[Tensor, ...]:
        """Draw one smooth picture of 32 x 32."""
        return (smooth_field(3, (32, 32)),)


def autoencoder() -> Autoencoder:
    """Build the auto-encoder with statistics that fit smooth pictures.

    >>> from flatfield.examples import load
    >>> load("autoencoder").module.bottleneck
    Conv2d(64, 8, kernel_size=(1, 1), stride=(1, 1))
    """
    module = Autoencoder()
    settle_statistics(module, lambda: smooth_field(3, (32, 32), batch=16))
    return module
