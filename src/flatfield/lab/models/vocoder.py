"""A small vocoder-like decoder: spectra to samples, in one dimension."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from flatfield.lab.models.decoder import SLOPE, Decoder


class Vocoder(nn.Module):
    """Turn frames of a spectrum into sound: (n, bins, frames) -> (n, 2^stages frames).

    >>> import torch
    >>> tuple(Vocoder(("deconv-4",) * 4, bins=65)(torch.zeros(1, 65, 8)).shape)
    (1, 128)
    """

    def __init__(self, stages: Sequence[str], bins: int, width: int = 64) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv1d(bins, width, 3, padding=1),
            nn.LeakyReLU(SLOPE),
            nn.Conv1d(width, width, 3, padding=1),
            nn.LeakyReLU(SLOPE),
        )
        self.decoder = Decoder(stages, width, outputs=1, dims=1)

    def forward(self, frames: Tensor) -> Tensor:
        """Give the sound of a batch of spectra."""
        sound: Tensor = self.decoder(self.features(frames))
        return sound.squeeze(1)

    def features(self, frames: Tensor) -> Tensor:
        """Give what the decoder sounds from."""
        features: Tensor = self.body(frames)
        return features
