"""A vocoder like HiFi-GAN's generator: mel frames to samples, one dimension."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from flatfield.examples.field import smooth_field

MELS = 80
SLOPE = 0.1


class ResidualBlock(nn.Module):
    """Add what two dilated convolutions see to a signal: (n, channels, t) -> the same.

    >>> tuple(ResidualBlock(8, kernel=3)(torch.zeros(1, 8, 20)).shape)
    (1, 8, 20)
    """

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv1d(channels, channels, kernel, dilation=dilation, padding=dilation * (kernel // 2))
            for dilation in (1, 3)
        )
        self.activation = nn.LeakyReLU(SLOPE)

    def forward(self, signal: Tensor) -> Tensor:
        """Give the signal with both residues added."""
        for convolution in self.convolutions:
            signal = signal + convolution(self.activation(signal))
        return signal


class Stage(nn.Module):
    """Stretch a signal by `stride`, then the mean of two residual blocks: (n, inputs, t) -> (n, outputs, stride * t).

    Its deconvolution is 2*stride/stride: even overlap. Its weights start so that the signal keeps its strength:
    an output sums `inputs * kernel / stride` products, where PyTorch's default counts `outputs * kernel` and
    makes the sound ten times weaker (deviation 0.01 instead of 0.1, measured).

    >>> tuple(Stage(16, 8, stride=4)(torch.zeros(1, 16, 5)).shape)
    (1, 8, 20)
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        kernel = 2 * stride
        self.activation = nn.LeakyReLU(SLOPE)
        self.upsample = nn.ConvTranspose1d(inputs, outputs, kernel, stride=stride, padding=stride // 2)
        # leaky rectification keeps (1 + slope^2) / 2 of the power
        power = inputs * kernel / stride * (1 + SLOPE**2) / 2
        nn.init.normal_(self.upsample.weight, std=1 / math.sqrt(power))
        self.blocks = nn.ModuleList(ResidualBlock(outputs, size) for size in (3, 7))

    def forward(self, signal: Tensor) -> Tensor:
        """Give the stretched signal."""
        signal = self.upsample(self.activation(signal))
        return torch.stack([block(signal) for block in self.blocks]).mean(dim=0)


class Vocoder(nn.Module):
    """Turn mel frames into samples: (n, 80, frames) -> (n, 1, 256 * frames), in [-1, 1].

    Deconvolutions 16/8, 16/8 and 8/4: with 22050 samples a second their grids sound at multiples of 22050 / 256 =
    86 Hz, 22050 / 32 = 689 Hz and 22050 / 4 = 5512 Hz (Pons et al. 2021; structure after Kong et al. 2020).

    >>> tuple(Vocoder()(torch.zeros(1, 80, 2)).shape)
    (1, 1, 512)
    """

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(MELS, 64, 7, padding=3)
        self.stages = nn.Sequential(Stage(64, 32, 8), Stage(32, 16, 8), Stage(16, 8, 4))
        self.last = nn.Sequential(nn.LeakyReLU(SLOPE), nn.Conv1d(8, 1, 7, padding=3), nn.Tanh())

    def forward(self, mel: Tensor) -> Tensor:
        """Give the sound of a batch of mel spectrograms."""
        sound: Tensor = self.last(self.stages(self.first(mel)))
        return sound

    def example_inputs(self) -> tuple[Tensor, ...]:
        """Draw 16 mel frames (normalised, in [-1, 1]): 4096 samples of sound."""
        return (smooth_field(MELS, (16,)),)


def vocoder() -> Vocoder:
    """Build the vocoder.

    >>> sum(p.numel() for p in vocoder().parameters()) < 250_000
    True
    """
    return Vocoder()
