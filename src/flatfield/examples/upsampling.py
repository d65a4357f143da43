"""The ways to double a picture's size, one builder each: what a generator's stage can be made of."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

Builder = Callable[[int, int, int], nn.Module]


def deconvolution(inputs: int, outputs: int, kernel: int) -> nn.ConvTranspose2d:
    """Build a transposed convolution kernel/2 that exactly doubles: (inputs, h, w) -> (outputs, 2h, 2w).

    `(h - 1) * 2 + k - 2p + extra = 2h` gives p = (k - 1) // 2 and extra = 1 for an odd kernel, 0 for an even one.

    >>> tuple(deconvolution(8, 3, kernel=5)(torch.zeros(1, 8, 4, 4)).shape)
    (1, 3, 8, 8)
    """
    if kernel < 2:
        raise ValueError(f"a deconvolution with kernel={kernel} leaves holes at stride 2: take 2 or more")
    return nn.ConvTranspose2d(inputs, outputs, kernel, stride=2, padding=(kernel - 1) // 2, output_padding=kernel % 2)


def _resize_convolution(inputs: int, outputs: int, kernel: int, mode: str) -> nn.Sequential:
    # reflected borders: "use tf.pad() ... to avoid boundary artifacts" (Odena et al. 2016, "Better upsampling")
    align = None if mode == "nearest" else False
    return nn.Sequential(
        nn.Upsample(scale_factor=2, mode=mode, align_corners=align),
        nn.Conv2d(inputs, outputs, kernel, padding=_same(kernel), padding_mode="reflect"),
    )


def nearest_convolution(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    """Build a resize-convolution: nearest x 2, reflected border, convolution (Odena et al. 2016, "Better upsampling").

    A flat input comes out flat, borders included.

    >>> out = nearest_convolution(8, 3, kernel=3)(torch.ones(1, 8, 4, 4))
    >>> tuple(out.shape), bool(out.std(dim=(2, 3)).max() < 1e-6)
    ((1, 3, 8, 8), True)
    """
    return _resize_convolution(inputs, outputs, kernel, "nearest")


def bilinear_convolution(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    """Build a resize-convolution with bilinear interpolation in place of nearest.

    >>> tuple(bilinear_convolution(8, 3, kernel=3)(torch.ones(1, 8, 4, 4)).shape)
    (1, 3, 8, 8)
    """
    return _resize_convolution(inputs, outputs, kernel, "bilinear")


def subpixel_convolution(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    """Build a convolution to 4 channels for each output channel, shuffled into 2 x 2 pixels (Shi et al. 2016).

    >>> tuple(subpixel_convolution(8, 3, kernel=3)(torch.ones(1, 8, 4, 4)).shape)
    (1, 3, 8, 8)
    """
    return nn.Sequential(nn.Conv2d(inputs, outputs * 4, kernel, padding=_same(kernel)), nn.PixelShuffle(2))


def icnr_convolution(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    """Build a sub-pixel convolution whose four phases start equal, weight and bias (ICNR, Aitken et al. 2017).

    `PixelShuffle` takes the phases of one output channel from four neighbouring channels: those get one kernel.

    >>> layer = icnr_convolution(8, 3, kernel=3)
    >>> layer[0].bias.reshape(3, 4).std(dim=1).tolist()
    [0.0, 0.0, 0.0]
    """
    layer = subpixel_convolution(inputs, outputs, kernel)
    convolution = layer[0]
    with torch.no_grad():
        for parameter in convolution.parameters():
            parameter.copy_(parameter[::4].repeat_interleave(4, dim=0))
    return layer


def _same(kernel: int) -> int:
    if kernel % 2 == 0:
        raise ValueError(f"kernel={kernel} can't keep the size of a picture by equal padding: take an odd one")
    return kernel // 2


UPSAMPLING: dict[str, Builder] = {
    "deconv": deconvolution,
    "resize": nearest_convolution,
    "resize-bilinear": bilinear_convolution,
    "subpixel": subpixel_convolution,
    "subpixel-icnr": icnr_convolution,
}
"""Name of a stage -> its builder: (input channels, output channels, kernel) -> a layer that doubles the size."""
