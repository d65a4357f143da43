"""A segmentation U-Net for volumes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from flatfield.examples.field import smooth_field


class UNet3d(nn.Module):
    """Label each voxel with the logits of two classes: (n, 1, d, h, w) -> (n, 2, d, h, w); 4 divides d, h and w.

    Two levels down by convolutions 3/2, two up by deconvolutions 3/2 whose overlap is 8:1 between the best and the
    worst served voxel ("2x in 1-D is 4x in 2-D": Odena et al. 2016, "Overlap & Learning"), skip connections,
    instance normalisation (structure after Cicek et al. 2016).

    >>> tuple(UNet3d()(torch.zeros(1, 1, 8, 8, 8)).shape)
    (1, 2, 8, 8, 8)
    """

    def __init__(self) -> None:
        super().__init__()
        self.first = _step(nn.Conv3d(1, 8, 3, padding=1))
        self.down = nn.ModuleList(_step(nn.Conv3d(inputs, 2 * inputs, 3, stride=2, padding=1)) for inputs in (8, 16))
        self.up = nn.ModuleList(
            _step(nn.ConvTranspose3d(inputs, inputs // 2, 3, stride=2, padding=1, output_padding=1))
            for inputs in (32, 16)
        )
        self.merge = nn.ModuleList(_step(nn.Conv3d(2 * outputs, outputs, 3, padding=1)) for outputs in (16, 8))
        self.head = nn.Conv3d(8, 2, 1)

    def forward(self, volume: Tensor) -> Tensor:
        """Give the logits of a batch of volumes."""
        fine = self.first(volume)
        middle = self.down[0](fine)
        signal = self.down[1](middle)
        for skip, up, merge in zip((middle, fine), self.up, self.merge, strict=True):
            signal = merge(torch.cat((skip, up(signal)), dim=1))
        logits: Tensor = self.head(signal)
        return logits

    def example_inputs(self) -> tuple[Tensor, ...]:
        """Draw one smooth volume of 16 x 16 x 16."""
        return (smooth_field(1, (16, 16, 16)),)


def _step(convolution: nn.Conv3d | nn.ConvTranspose3d) -> nn.Sequential:
    return nn.Sequential(convolution, nn.InstanceNorm3d(convolution.out_channels), nn.LeakyReLU(0.1))


def unet3d() -> UNet3d:
    """Build the U-Net.

    >>> sum(p.numel() for p in unet3d().parameters()) < 250_000
    True
    """
    return UNet3d()
