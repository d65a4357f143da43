"""Planning: from a network to the layers that a cure changes, each with its reason; nothing is changed here."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TypeAlias

from flatfield.core.taps import Ints
from flatfield.cure_report import CurePlan, CureStep, How, Refusal
from flatfield.network import Layer, Network

Found: TypeAlias = Iterator[CureStep | Refusal]


def plan(network: Network, how: How) -> CurePlan:
    """Say what `how` would change in a network: "these layers, this way, because".

    Raises `ValueError` for a way that has no plan.

    >>> from flatfield.targets import open_target
    >>> for step in plan(open_target("example:deconv-last"), "flatten").steps:
    ...     print(step.layer, step.action, "because", step.because)
    stages.2.0 nearest flat weights because unevenness 0.891
    """
    if how not in PLANNERS:
        raise ValueError(f"there is no plan for {how!r}: take one of {', '.join(PLANNERS)}")
    found = list(PLANNERS[how](network))
    steps = tuple(entry for entry in found if isinstance(entry, CureStep))
    refused = tuple(entry for entry in found if isinstance(entry, Refusal))
    return CurePlan(network.target, how, steps, refused)


def _uneven(layer: Layer) -> str:
    if layer.unevenness is None:
        return f"{layer.overlap.min()} to {layer.overlap.max()} inputs write to an output"
    return f"unevenness {layer.unevenness:.3f}"


def _flatten(network: Network) -> Found:
    for layer in _drawing(network):
        if layer.operator not in ("ConvTranspose", "SubPixelConv"):
            yield Refusal(layer.name, layer.operator, "no weight of one layer decides what its phases weigh")
        elif layer.overlap.min() == 0:
            kernel = _times(layer.kernel)
            yield Refusal(layer.name, layer.operator, f"kernel {kernel} leaves phases without a tap: only zero is flat")
        else:
            yield CureStep(layer.name, layer.operator, "nearest flat weights", _uneven(layer))


def _recover(network: Network) -> Found:
    """As flatten; kernels grow to a multiple of the stride, since those leave more weights free when flat."""
    for entry in _flatten(network):
        layer = next(layer for layer in network.layers if layer.name == entry.layer)
        grown = grown_kernel(layer)
        if isinstance(entry, CureStep) and grown != layer.kernel:
            sizes = f"{_times(layer.kernel)} -> {_times(grown)}"
            yield replace(entry, action=f"kernel {sizes}, nearest flat weights, trained")
        else:
            yield replace(entry, action=f"{entry.action}, trained") if isinstance(entry, CureStep) else entry


def grown_kernel(layer: Layer) -> Ints:
    """Give the kernel that a transposed convolution is recovered with: the next multiple of the stride.

    Flat at points, 3/2 in two dimensions has 6 free weights of 9, and 4/2 has 13 of 16: trained auto-encoders with
    3/2 lost 0.8 dB when recovered at 6, 0.3 dB at 13 (docs/cure.md).
    """
    if layer.operator != "ConvTranspose" or set(layer.dilation) != {1}:
        return layer.kernel
    return tuple(-(-k // s) * s for k, s in zip(layer.kernel, layer.stride, strict=True))


def _times(numbers: Ints) -> str:
    return " x ".join(map(str, numbers if len(set(numbers)) > 1 else numbers[:1]))


def _correct(network: Network) -> Found:
    """One step for the output, behind everything that draws."""
    drawing = list(_drawing(network))
    if drawing:
        worst = max(drawing, key=lambda layer: layer.unevenness or 0.0)
        others = f", and {len(drawing) - 1} more draw too" if len(drawing) > 1 else ""
        because = f"{worst.name}: {_uneven(worst)}{others}"
        yield CureStep("output", "FlatFieldCorrection", "subtract the grid that its outputs have in common", because)


def _resize(network: Network) -> Found:
    for layer in _drawing(network):
        if layer.operator == "ConvTranspose":
            yield CureStep(layer.name, layer.operator, "nearest resize-convolution, least squares", _uneven(layer))
        else:
            yield Refusal(layer.name, layer.operator, "only a transposed convolution is replaced: take flatten or icnr")


def _icnr(network: Network) -> Found:
    for layer in _drawing(network):
        if layer.operator == "SubPixelConv":
            yield CureStep(layer.name, layer.operator, "one kernel for all phases (ICNR)", _uneven(layer))
        else:
            yield Refusal(layer.name, layer.operator, "ICNR is for sub-pixel convolutions: take flatten or resize")


def _blur(network: Network) -> Found:
    for layer in network.layers:
        if layer.operator not in ("Conv", "Pool") or math.prod(layer.stride) == 1:
            continue
        stride = " x ".join(map(str, layer.stride))
        if layer.operator == "Conv":
            yield CureStep(layer.name, layer.operator, "blur in front", f"stride {stride}: its gradient has a grid")
        elif layer.mode == "max":
            because = f"stride {stride}: sparse gradients"
            yield CureStep(layer.name, layer.operator, "max at stride 1, then blur", because)


def _drawing(network: Network) -> Iterator[Layer]:
    return (layer for layer in network.layers if layer.uneven)


PLANNERS: Mapping[How, Callable[[Network], Found]] = {
    "correct": _correct,
    "flatten": _flatten,
    "recover": _recover,
    "resize": _resize,
    "icnr": _icnr,
    "blur": _blur,
}
"""How -> what it does to the layers of a network."""
