"""An image generator like DCGAN's, in which each upsampling stage is a choice."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from flatfield.examples.statistics import settle_statistics
from flatfield.examples.upsampling import UPSAMPLING

LATENT = 64
BASE = 4


class DcganGenerator(nn.Module):
    """Paint a picture from a latent vector: (n, 64) -> (n, 3, 4 * 2^stages, same), in [-1, 1].

    Project to 4 x 4, then double once for each name in `stages` (first to last; see `UPSAMPLING`). The last stage
    is the upsampling layer itself, straight to the colours, so that nothing behind it damps its grid: a
    deconvolution there has period 2, one stage earlier 4, then 8 (Odena et al. 2016, "Image Generation Results";
    structure after Radford et al. 2015).

    PyTorch's default start is kept. DCGAN's N(0, 0.02) makes the last layer, which no normalisation follows, weak:
    over four seeds the untrained picture has a deviation of 0.07 to 0.18, with the default 0.25 to 0.43, and its grid
    is seen accordingly. Raises `ValueError` for an unknown stage.

    >>> generator = DcganGenerator(stages=("resize", "deconv"), kernel=3)
    >>> tuple(generator(torch.zeros(2, 64)).shape)
    (2, 3, 16, 16)
    """

    def __init__(self, stages: Sequence[str], kernel: int = 3) -> None:
        super().__init__()
        for stage in stages:
            if stage not in UPSAMPLING:
                raise ValueError(f"there is no upsampling {stage!r}; a stage is one of {', '.join(UPSAMPLING)}")
        # 16 channels in front of the last stage, twice as many in front of each one before it
        widths = [8 * 2 ** (len(stages) - i) for i in range(len(stages))]
        self.project = nn.Sequential(
            nn.Linear(LATENT, widths[0] * BASE * BASE),
            nn.Unflatten(1, (widths[0], BASE, BASE)),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(),
        )
        self.stages = nn.Sequential()
        for stage, inputs, outputs in zip(stages, widths, [*widths[1:], 3], strict=True):
            layers: list[nn.Module] = [UPSAMPLING[stage](inputs, outputs, kernel)]
            layers += [nn.Tanh()] if outputs == 3 else [nn.BatchNorm2d(outputs), nn.ReLU()]
            self.stages.append(nn.Sequential(*layers))

    def forward(self, latent: Tensor) -> Tensor:
        """Give the pictures of a batch of latent vectors."""
        painted: Tensor = self.stages(self.project(latent))
        return painted

    def example_inputs(self) -> tuple[Tensor, ...]:
        """Draw one latent vector."""
        return (torch.randn(1, LATENT),)


def _generator(*stages: str, kernel: int = 3) -> DcganGenerator:
    generator = DcganGenerator(stages, kernel)
    settle_statistics(generator, lambda: torch.randn(16, LATENT))
    return generator


def deconv() -> DcganGenerator:
    """Build the generator with deconvolutions 3/2 throughout: overlap 4:2:2:1, periods 2, 4 and 8."""
    return _generator("deconv", "deconv", "deconv")


def deconv_4() -> DcganGenerator:
    """Build the generator with deconvolutions 4/2: the overlap is even, random weights are not."""
    return _generator("deconv", "deconv", "deconv", kernel=4)


def deconv_5() -> DcganGenerator:
    """Build the generator with deconvolutions 5/2: overlap 9:6:6:4."""
    return _generator("deconv", "deconv", "deconv", kernel=5)


def deconv_last() -> DcganGenerator:
    """Build the generator with a deconvolution in the last layer only: period 2."""
    return _generator("resize", "resize", "deconv")


def deconv_last_two() -> DcganGenerator:
    """Build the generator with deconvolutions in the last two layers: periods 2 and 4."""
    return _generator("resize", "deconv", "deconv")


def resize() -> DcganGenerator:
    """Build the generator with nearest resize-convolutions throughout: no grid."""
    return _generator("resize", "resize", "resize")


def resize_bilinear() -> DcganGenerator:
    """Build the generator with bilinear resize-convolutions throughout: no grid."""
    return _generator("resize-bilinear", "resize-bilinear", "resize-bilinear")


def subpixel() -> DcganGenerator:
    """Build the generator with sub-pixel convolutions at PyTorch's start: periods 2, 4 and 8."""
    return _generator("subpixel", "subpixel", "subpixel")


def subpixel_icnr() -> DcganGenerator:
    """Build the generator with sub-pixel convolutions started by ICNR: no grid until training makes one."""
    return _generator("subpixel-icnr", "subpixel-icnr", "subpixel-icnr")
