"""A decoder: stages that double, each one a choice, the last straight to the colours."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from flatfield.lab.upsampling import upsampling

SLOPE = 0.2


class PixelNorm(nn.Module):
    """Divide the channels of every position by their rms (Karras et al. 2018, progressive growing).

    It knows neither other positions nor other pictures: a flat field stays flat, and a batch means the same to one
    process as to two.

    >>> [round(value, 3) for value in PixelNorm()(torch.tensor([[[3.0], [4.0]]])).flatten().tolist()]
    [0.849, 1.131]
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (batch, channels, *size) over its channels."""
        return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + 1e-8)


class Decoder(nn.Module):
    """Double once for each name in `stages`, first to last: (n, width, *size) -> (n, outputs, *(size 2^stages)).

    Channels halve from stage to stage down to `least`. Nothing follows the last stage, so nothing damps its grid; a
    transposed convolution there has period 2, one stage earlier 4, then 8 (Odena et al. 2016).

    >>> tuple(Decoder(("nearest", "deconv-3"), 32)(torch.zeros(2, 32, 4, 4)).shape)
    (2, 3, 16, 16)
    """

    def __init__(
        self,
        stages: Sequence[str],
        width: int,
        *,
        outputs: int = 3,
        dims: int = 2,
        least: int = 16,
        normalised: bool = False,
    ) -> None:
        super().__init__()
        widths = [max(least, width // 2**i) for i in range(len(stages))]
        self.widths = (width, *widths[1:])
        self.dims = dims
        self.stages = nn.Sequential()
        for stage, inputs, following in zip(stages, self.widths, [*widths[1:], outputs], strict=True):
            layers = [upsampling(stage, inputs, following, dims)]
            if len(self.stages) < len(stages) - 1:
                layers += [PixelNorm()] if normalised else []
                layers += [nn.LeakyReLU(SLOPE)]
            self.stages.append(nn.Sequential(*layers))

    def forward(self, features: Tensor) -> Tensor:
        """Paint from features at the lowest resolution."""
        painted: Tensor = self.stages(features)
        return painted
