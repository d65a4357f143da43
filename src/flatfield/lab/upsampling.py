"""The ways to double a size: what a stage of the laboratory's networks can be made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from flatfield.core.flat import Where
from flatfield.nn import FlatConvTranspose1d, FlatConvTranspose2d, SubPixelConv1d, SubPixelConv2d

Build = Callable[[int, int, int], nn.Module]

TRANSPOSED = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d}
FLAT = {1: FlatConvTranspose1d, 2: FlatConvTranspose2d}
CONVOLUTION = {1: nn.Conv1d, 2: nn.Conv2d}
SUBPIXEL = {1: SubPixelConv1d, 2: SubPixelConv2d}


@dataclass(frozen=True)
class Upsampler:
    """One way to double: `build(inputs, outputs, dims)` gives a layer (inputs, *size) -> (outputs, *(2 size)).

    `flat` says that it can't draw a grid, whatever it learns: what an experiment expects of it, never what it reports.
    Borders are zeros in all of them, so that they differ in nothing else.
    """

    name: str
    description: str
    flat: bool
    build: Build


def _geometry(kernel: int) -> dict[str, Any]:
    # (n - 1) * 2 + k - 2p + extra = 2n
    return {"stride": 2, "padding": (kernel - 1) // 2, "output_padding": kernel % 2}


def _deconvolution(kernel: int) -> Build:
    return lambda inputs, outputs, dims: TRANSPOSED[dims](inputs, outputs, kernel, **_geometry(kernel))


def _flat(kernel: int, order: int, at: Where) -> Build:
    return lambda inputs, outputs, dims: FLAT[dims](inputs, outputs, kernel, order=order, at=at, **_geometry(kernel))


def _resize(mode: str) -> Build:
    """Interpolate, then convolve, as it is commonly written; `flatfield.nn.ResizeConv2d` computes the same."""

    def build(inputs: int, outputs: int, dims: int) -> nn.Module:
        # PyTorch says "linear" in one dimension and "bilinear" in two
        named = "linear" if mode == "bilinear" and dims == 1 else mode
        return nn.Sequential(nn.Upsample(scale_factor=2, mode=named), CONVOLUTION[dims](inputs, outputs, 3, padding=1))

    return build


def _subpixel(icnr: bool) -> Build:
    return lambda inputs, outputs, dims: SUBPIXEL[dims](inputs, outputs, 3, icnr=icnr)


_ROWS = (
    Upsampler("deconv-3", "transposed convolution 3/2: uneven overlap", False, _deconvolution(3)),
    Upsampler("deconv-4", "transposed convolution 4/2: even overlap", False, _deconvolution(4)),
    Upsampler("deconv-5", "transposed convolution 5/2: uneven overlap", False, _deconvolution(5)),
    Upsampler("subpixel", "sub-pixel convolution, PyTorch's start", False, _subpixel(False)),
    Upsampler("subpixel-icnr", "sub-pixel convolution, ICNR start", False, _subpixel(True)),
    Upsampler("nearest", "resize-convolution, nearest, 3 taps", True, _resize("nearest")),
    Upsampler("bilinear", "resize-convolution, bilinear, 3 taps", True, _resize("bilinear")),
    Upsampler("flat-3", "flat transposed convolution 3/2 at points", True, _flat(3, 1, "points")),
    Upsampler("flat-4", "flat transposed convolution 4/2 at points", True, _flat(4, 1, "points")),
    Upsampler("flat-4-lines", "flat transposed convolution 4/2 on lines", True, _flat(4, 1, "lines")),
    Upsampler("flat-4-order-2", "flat transposed convolution 4/2, order 2 at points", True, _flat(4, 2, "points")),
    Upsampler("flat-6-order-2", "flat transposed convolution 6/2, order 2 on lines", True, _flat(6, 2, "lines")),
)

UPSAMPLERS: dict[str, Upsampler] = {row.name: row for row in _ROWS}
"""Every way, by name, in the order in which tables list them."""


def upsampling(name: str, inputs: int, outputs: int, dims: int = 2) -> nn.Module:
    """Build the stage `name`; `ValueError` for a name that the table lacks.

    >>> import torch
    >>> tuple(upsampling("deconv-5", 8, 3)(torch.zeros(1, 8, 4, 4)).shape)
    (1, 3, 8, 8)
    """
    if name not in UPSAMPLERS:
        raise ValueError(f"there is no upsampling {name!r}; take one of {', '.join(UPSAMPLERS)}")
    return UPSAMPLERS[name].build(inputs, outputs, dims)
