"""A stack of upsampling layers with, behind it, a layer of stride 1."""

from __future__ import annotations

from torch import Tensor, nn

from flatfield.lab.models.decoder import SLOPE, Decoder

BEHIND = 16


class Stack(nn.Module):
    """`depth` doublings and, with `last`, a convolution of stride 1 and that size behind them, learnable or a box.

    >>> import torch
    >>> tuple(Stack("deconv-3", 2, last=3)(torch.zeros(1, 32, 4, 4)).shape)
    (1, 3, 16, 16)
    """

    dims = 2

    def __init__(self, upsampler: str, depth: int, last: int = 0, *, box: bool = False, width: int = 32) -> None:
        super().__init__()
        behind = 3 if box or not last else BEHIND
        self.decoder = Decoder((upsampler,) * depth, width, outputs=behind)
        self.last: nn.Module = nn.Identity()
        if box:
            smooth = nn.Conv2d(3, 3, last, groups=3, bias=False)
            nn.init.constant_(smooth.weight, 1 / last**2)
            self.last = nn.Sequential(_border(last), smooth)
        elif last:
            self.last = nn.Sequential(nn.LeakyReLU(SLOPE), _border(last), nn.Conv2d(behind, 3, last))

    @property
    def stages(self) -> nn.Module:
        """What doubles."""
        return self.decoder.stages

    def forward(self, features: Tensor) -> Tensor:
        """Double, then smooth."""
        painted: Tensor = self.last(self.decoder(features))
        return painted


def _border(kernel: int) -> nn.ZeroPad2d:
    """Pad so that a kernel of any size, even ones too, keeps the size of a picture."""
    return nn.ZeroPad2d(((kernel - 1) // 2, kernel // 2) * 2)
