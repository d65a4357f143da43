"""Back: one node of an ONNX graph on the way back, with the gradient that arrives behind it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from flatfield.core.taps import Ints
from flatfield.probe.onnx.node import OnnxNode, Rewriting
from flatfield.probe.period import OTHER, Periods, together


class NoAdjointError(ValueError):
    """The gradient of an operator is not written down here."""


@dataclass(frozen=True)
class Arriving:
    """A gradient: its name in the graph, and its periods."""

    name: str
    periods: Periods


@dataclass(frozen=True)
class Back:
    """A node, what arrives behind it, and what its own numbers are called in the rewritten graph."""

    node: OnnxNode
    gradient: str
    periods: Periods
    opset: int
    dtype: np.dtype[Any]

    @property
    def into(self) -> Rewriting:
        """The graph that is written."""
        return self.node.into

    def x(self, place: int = 0) -> str:
        """What the node read."""
        return self.into.name(self.node.input(place))

    @property
    def y(self) -> str:
        """What the node wrote."""
        return self.into.name(self.node.proto.output[0])

    def wants(self, place: int) -> bool:
        """True for an input that comes from the flat field; what else is fixed, and needs no gradient."""
        return self.node.input(place) in self.into.known

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output."""
        return self.into.add(operator, inputs, **attributes)

    def number(self, value: Any) -> str:
        """Add numbers of the graph's own kind."""
        return self.into.constant(np.asarray(value, self.dtype))

    def shaped(self, name: str, shape: Sequence[int]) -> str:
        """Give a tensor another shape."""
        return self.add("Reshape", name, self.into.constant(np.array(shape, np.int64)))

    def widened(self, name: str, shape: Ints) -> str:
        """Copy entries of axes of one until a tensor has a shape."""
        return self.add("Expand", name, self.into.constant(np.array(shape, np.int64)))

    def summed(self, name: str, axes: Sequence[int]) -> str:
        """Sum over axes, which stay as axes of one entry."""
        if not axes:
            return name
        if self.opset < 13:
            return self.add("ReduceSum", name, axes=list(axes), keepdims=1)
        return self.add("ReduceSum", name, self.into.constant(np.array(axes, np.int64)), keepdims=1)

    def averaged(self, name: str, axes: Sequence[int], shape: Ints) -> str:
        """Average over axes of a tensor of `shape`."""
        count = math.prod(shape[axis] for axis in axes)
        return self.add("Mul", self.summed(name, axes), self.number(1.0 / count))

    def to(self, place: int, name: str, periods: Periods | None = None) -> dict[int, Arriving]:
        """Send a gradient on to an input; without `periods`, the input may differ wherever it has positions."""
        shape, forward = self.node.shape(place), self.node.periods(place)
        own = periods if periods is not None and len(periods) == len(shape) else (OTHER,) * len(shape)
        fitted = [OTHER if f <= 0 else p if p > 0 else n for p, f, n in zip(own, forward, shape, strict=True)]
        return {place: Arriving(name, tuple(fitted))}

    def met(self, *places: int) -> Periods:
        """Periods where the gradient meets what the node read there, elementwise."""
        shape = self.node.output_shape
        read = [(self.node.shape(place), self.node.periods(place)) for place in places]
        return together(shape, [(shape, self.periods), *read])

    def to_operand(self, place: int, name: str, periods: Periods) -> dict[int, Arriving]:
        """Send a gradient on to an operand that may have been copied along some axes: sums them up."""
        shape, target = self.node.output_shape, self.node.shape(place)
        new = len(shape) - len(target)
        axes = [a for a, n in enumerate(shape) if a < new or (target[a - new] == 1 and n > 1)]
        name = self.summed(name, axes)
        if new:
            name = self.shaped(name, target)
        return self.to(place, name, tuple(1 if a in axes and p > 0 else p for a, p in enumerate(periods))[new:])


Rule = Callable[[Back], Mapping[int, Arriving]]
"""What arrives at the inputs of a node for what arrives behind it."""
