"""Planning: from a network to the layers that a cure changes, each with its reason; nothing is changed here."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from flatfield.cure_report import CurePlan, CureStep, How, Refusal
from flatfield.network import Layer, Network

Found: TypeAlias = Iterator[CureStep | Refusal]


def plan(network: Network, how: How) -> CurePlan:
    """Say what `how` would change in a network: "these layers, this way, because".

    Raises `ValueError` for a way that changes no layers (`correct` stands behind the network).

    >>> from flatfield.targets import open_target
    >>> for step in plan(open_target("example:deconv-last"), "flatten").steps:
    ...     print(step.layer, step.action, "because", step.because)
    stages.2.0 nearest flat weights because unevenness 0.891
    """
    if how not in PLANNERS:
        raise ValueError(f"{how!r} changes no layer by itself: take one of {', '.join(PLANNERS)}")
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
            kernel = " x ".join(map(str, layer.kernel))
            yield Refusal(layer.name, layer.operator, f"kernel {kernel} leaves phases without a tap: only zero is flat")
        else:
            yield CureStep(layer.name, layer.operator, "nearest flat weights", _uneven(layer))


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
    "flatten": _flatten,
    "recover": _flatten,
    "resize": _resize,
    "icnr": _icnr,
    "blur": _blur,
}
"""How -> what it does to the layers of a network."""
