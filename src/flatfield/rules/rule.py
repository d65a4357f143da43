"""Rule: a code, a level, a manual, and a function from a network to findings."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from flatfield.core import decibels
from flatfield.core.taps import Ints
from flatfield.network import Layer, Network
from flatfield.report import Level


@dataclass(frozen=True)
class Hit:
    """What a rule's check yields: a layer, a message that names numbers, and the cure."""

    layer: Layer
    message: str
    cure: str


@dataclass(frozen=True)
class Rule:
    """One rule. `about_grid` rules are lowered to a note where a later layer provably removes the grid."""

    code: str
    name: str
    level: Level
    check: Callable[[Network], Iterator[Hit]]
    manual: str
    about_grid: bool = False

    @property
    def summary(self) -> str:
        """First line of the manual."""
        return self.manual.strip().splitlines()[0]


def times(numbers: Ints) -> str:
    """Spell one number an axis as people say it.

    >>> times((3, 3))
    '3 x 3'
    """
    return " x ".join(str(n) for n in numbers)


def level_of(unevenness: float | None) -> str:
    """Spell an unevenness with its dB.

    >>> level_of(0.3162)
    'unevenness 0.316 (-10.0 dB)'
    """
    if unevenness is None:
        return "unevenness unknown (weights unread, or not finite)"
    loud = decibels(unevenness)
    return f"unevenness {unevenness:.3f}" + (f" ({loud:.1f} dB)" if math.isfinite(loud) else "")


def cure_class(name: str, layer: Layer) -> str:
    """Name the class of `flatfield.nn` for the layer's number of dimensions.

    >>> from flatfield.network import Layer
    >>> cure_class("ResizeConv", Layer("up", "ConvTranspose", (4,), (2,), (8,), (16,)))
    'flatfield.nn.ResizeConv1d'
    """
    return f"flatfield.nn.{name}{layer.dims}d"


def period_of(network: Network, layer: Layer) -> str:
    """Spell the period of a layer's grid at the output."""
    period = network.output_period(layer)
    if max(period, default=1) == 1:
        return "none of it at the output"
    return f"period {times(period)} {'samples' if layer.dims == 1 else 'pixels'} of the output"
