"""The layers a torus knows, and what kind of layer a call is."""

from __future__ import annotations

import torch

from flatfield.probe.period import reshaped
from flatfield.probe.torus_call import TorusCall
from flatfield.probe.torus_layers import GATHERS, SPREADS, Handler, convolution
from flatfield.probe.torus_resize import RESIZES, enlarges

LAYERS: dict[str, Handler] = {
    **GATHERS, **SPREADS, **RESIZES, "convolution": convolution, "convolution_overrideable": convolution,
}  # fmt: skip


def rank(call: TorusCall) -> int:
    """Number of spatial axes of a layer."""
    if "convolution" in call.operator:
        return int(call["weight"].dim() - 2)
    if "output_size" in call.arguments and call.operator != "col2im":
        return len(call["output_size"])
    listed = call.arguments.get("kernel_size")
    return len(listed) if isinstance(listed, list | tuple) else 2


def upsamples(call: TorusCall) -> bool:
    """True for a layer that writes more positions than it reads."""
    if "convolution" in call.operator and call.operator in LAYERS:
        return bool(call["transposed"]) and max(call["stride"]) > 1
    if call.operator in RESIZES:
        return enlarges(call)
    return call.operator in SPREADS


def shuffles(call: TorusCall, result: torch.Tensor) -> bool:
    """True for a reshape that turns channels into positions."""
    return reshaped(call.periods(call.first()), tuple(call.first().shape), tuple(result.shape))[1]


_NAMES = {
    "pixel_shuffle": "PixelShuffle", "pixel_unshuffle": "PixelUnshuffle", "col2im": "Fold", "im2col": "Unfold",
    "max_unpool2d": "Unpool", "max_unpool3d": "Unpool",
}  # fmt: skip


def called(call: TorusCall) -> str:
    """Name of a layer's operator, in the words of `flatfield.network`."""
    if "convolution" in call.operator:
        return "ConvTranspose" if call["transposed"] else "Conv"
    return _NAMES.get(call.operator) or ("Resize" if call.operator in RESIZES else "Pool")
