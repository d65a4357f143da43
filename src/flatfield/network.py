"""Layer and Network: what a reader saw, free of any framework."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from flatfield.core import FLAT, Phases, overlap, phase_gains, shuffle_gains
from flatfield.core.taps import Ints, Pairs

Operator = Literal[
    "ConvTranspose", "SubPixelConv", "PixelShuffle", "Resize", "Unpool", "Fold",
    "Conv", "Pool", "PixelUnshuffle", "Slice", "Unfold",
]  # fmt: skip
UPSAMPLING: tuple[Operator, ...] = (
    "ConvTranspose", "SubPixelConv", "PixelShuffle", "Resize", "Unpool", "Fold",
)  # fmt: skip
_SAME = 1e-6  # residues that differ by less are equal but for the rounding of float32
_SIMPLE = 8  # a ratio of sizes with a larger denominator was rounded down from a simpler one
_CHUNK = 1 << 20  # weights widened to float64 at a time


@dataclass(frozen=True)
class Weight:
    """The weight of a layer, read when it is wanted: `shape`, and `load()` for the numbers."""

    shape: Ints
    load: Callable[[], npt.NDArray[np.floating]]


@dataclass(frozen=True)
class Unread:
    """An operator that changes sizes or positions and was not understood."""

    name: str
    operator: str
    reason: str


@dataclass(frozen=True)
class Layer:
    """One layer that looks at more than one position, or changes how many there are.

    `stride` is the factor by which it upsamples (operators of `UPSAMPLING`) or downsamples (the others).
    `weight` is (in, out / groups, *kernel) for ConvTranspose, (out, in / groups, *kernel) for Conv, and
    (channels * prod(stride), in / groups, *kernel) in PyTorch's order for SubPixelConv. `inputs` names the
    layers whose output arrives here, `between` the operators on the way. `padding` includes a separate
    padding operator in front.
    """

    name: str
    operator: Operator
    kernel: Ints
    stride: Ints
    input_size: Ints
    output_size: Ints
    padding: Pairs = ()
    dilation: Ints = ()
    output_padding: Ints = ()
    groups: int = 1
    padding_mode: str = "zeros"
    mode: str = ""
    weight: Weight | None = None
    bias: Weight | None = None
    weight_shape: Ints = ()
    inputs: tuple[str, ...] = ()
    between: tuple[str, ...] = ()
    multiply_adds: int = 0

    @property
    def dims(self) -> int:
        """Number of spatial dimensions."""
        return len(self.stride)

    @property
    def upsamples(self) -> bool:
        """True when more positions leave than arrive, by a whole factor on some axis."""
        return self.operator in UPSAMPLING and max(self.stride, default=1) > 1

    @property
    def scale(self) -> tuple[Fraction, ...]:
        """Positions that leave for each that arrives, an axis at a time."""
        if self.operator == "Resize" or self.mode == "adaptive":
            pairs = zip(self.output_size, self.input_size, strict=True)
            return tuple(_factor(out, n) for out, n in pairs)
        if self.operator in UPSAMPLING:
            return tuple(Fraction(s) for s in self.stride)
        return tuple(Fraction(1, s) for s in self.stride)

    @cached_property
    def overlap(self) -> npt.NDArray[np.int64]:
        """Inputs that write to each output phase; of a strided gather, gradients that write to an input."""
        if self.operator in ("ConvTranspose", "Fold", "Conv", "Pool"):
            return overlap(self.kernel, self.stride, self.dilation or 1)
        return np.ones(self.stride, dtype=np.int64)

    @cached_property
    def phases(self) -> Phases | None:
        """The statistics of the phase gains; None where the weights are unread, not finite, or not the layer's."""
        if self.weight is None or self.operator not in ("ConvTranspose", "SubPixelConv"):
            return None
        phases = Phases.gather(self._gain_blocks(self.stride))
        return phases if phases.finite else None

    @cached_property
    def unevenness(self) -> float | None:
        """Unevenness of the phase gains; 0 for interpolation, None where the weights can't tell."""
        if self.operator in ("Resize", "Slice", "Conv", "Pool", "PixelUnshuffle", "Unfold"):
            return 0.0
        if not self.upsamples and self.operator == "ConvTranspose":
            return 0.0
        return self.phases.unevenness if self.phases else None

    @property
    def uneven(self) -> bool:
        """True when this layer draws a grid on a flat input, or would with all-equal weights if those are unread."""
        if not self.upsamples:
            return False
        if self.unevenness is None:
            return bool(self.overlap.min() != self.overlap.max())
        return self.unevenness > FLAT

    def removes(self, period: Ints) -> bool:
        """Tell whether a periodic input certainly leaves this layer constant.

        A convolution sums its taps by their residue modulo the period: where all residues weigh the same,
        every output sees every phase of the input equally (proof: design, section 3, with the period as the
        stride).
        """
        if period not in self._removed:
            self._removed[period] = self._is_box_for(period)
        return self._removed[period]

    @cached_property
    def _removed(self) -> dict[Ints, bool]:
        return {}

    def _is_box_for(self, period: Ints) -> bool:
        if len(period) != self.dims or self.upsamples:
            return False
        if self.operator == "Pool":
            return self.mode == "average" and all(k % p == 0 for k, p in zip(self.kernel, period, strict=True))
        if self.operator != "Conv" or self.weight is None:
            return False
        if any(k < p for k, p in zip(self.kernel, period, strict=True)):
            return False
        return Phases.gather(self._gain_blocks(period)).unevenness <= _SAME

    def _gain_blocks(self, stride: Ints) -> Iterator[npt.NDArray[np.float64]]:
        """Phase gains of a few rows of the weight at a time: (*stride, rows, columns)."""
        assert self.weight is not None
        weight = self.weight.load()
        unit = math.prod(self.stride) if self.operator == "SubPixelConv" else 1
        rows = max(1, _CHUNK // max(1, weight[0].size * unit)) * unit
        for start in range(0, len(weight), rows):
            block = weight[start : start + rows]
            if self.operator == "SubPixelConv":
                yield shuffle_gains(block, stride)
            else:
                yield phase_gains(block, stride, self.dilation or 1)


def _factor(out: int, places: int) -> Fraction:
    """The factor that made `out` of `places`: whoever scales 97 by 3/2 gets 145, not 145.5."""
    exact = Fraction(out, max(places, 1))
    below = 1
    while exact.denominator > _SIMPLE:
        above = -(-out * below // places)
        if above * places < (out + 1) * below:
            return Fraction(above, below)
        below += 1
    return exact


@dataclass(frozen=True)
class Network:
    """The layers of a model in the order they ran, and whatever was not understood."""

    target: str
    layers: tuple[Layer, ...]
    outputs: tuple[str, ...] = ()
    unread: tuple[Unread, ...] = ()
    inputs: tuple[Ints, ...] = field(default=())

    @cached_property
    def _followed(self) -> dict[str, dict[str, Ints]]:
        return {}

    def follow(self, source: Layer) -> dict[str, Ints]:
        """Follow the grid of one layer downstream: its period behind every layer it reaches.

        A period p behind a layer that scales by a/b is the numerator of `p a / b`; parallel paths meet in
        the least common multiple. A layer that provably removes the period does not appear.
        """
        if source.name not in self._followed:
            self._followed[source.name] = self._walk(source)
        return self._followed[source.name]

    def _walk(self, source: Layer) -> dict[str, Ints]:
        periods: dict[str, Ints] = {source.name: source.stride}
        for layer in self.layers[self.layers.index(source) + 1 :]:
            arriving = [periods[name] for name in layer.inputs if name in periods]
            arriving = [period for period in arriving if len(period) == layer.dims]
            if not arriving:
                continue
            period = tuple(math.lcm(*axis) for axis in zip(*arriving, strict=True))
            if layer.removes(period):
                continue
            behind = tuple((p * scale).numerator if p > 1 else 1 for p, scale in zip(period, layer.scale, strict=True))
            if max(behind, default=1) > 1:
                periods[layer.name] = behind
        return periods

    def output_period(self, source: Layer) -> Ints:
        """Period of a layer's grid in positions of the network's output; 1 on every axis where it is gone."""
        reached = self.follow(source)
        arriving = [reached[name] for name in self.outputs if len(reached.get(name, ())) == source.dims]
        if not arriving:
            return (1,) * source.dims
        return tuple(math.lcm(*axis) for axis in zip(*arriving, strict=True))

    def remover(self, source: Layer) -> Layer | None:
        """Give the first layer behind which nothing of a layer's grid is left, or None where some gets out."""
        reached = self.follow(source)
        if any(name in reached for name in self.outputs):
            return None
        for layer in self.layers[self.layers.index(source) + 1 :]:
            if layer.name not in reached and any(name in reached for name in layer.inputs):
                return layer
        return None

    def smoothed(self, source: Layer) -> bool:
        """True where the only reader of a layer stands right behind it and removes its grid: the two draw none."""
        reader, *others = [layer for layer in self.layers if source.name in layer.inputs] or [source]
        alone = (
            not others and source.name not in self.outputs and (reader.inputs, reader.between) == ((source.name,), ())
        )
        return alone and reader.removes(source.stride)

    def evens_gradient(self, layer: Layer) -> bool:
        """True where a flat gradient behind a strided gather is flat in front of it, too.

        Backwards a layer weighs phases by the same sums of taps as forwards, so what `removes` a period removes it on
        both ways: the layer's own weights, or a blur of stride 1 right in front.
        """
        if layer.removes(layer.stride):
            return True
        front = [other for other in self.layers if (other.name,) == layer.inputs]
        return not layer.between and any(set(other.stride) == {1} and other.removes(layer.stride) for other in front)
