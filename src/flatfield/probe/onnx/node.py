"""OnnxNode: one node with its attributes and shapes, and the graph that is written in its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import helper

from flatfield.core.taps import Ints
from flatfield.probe.onnx.model import Array
from flatfield.probe.period import OTHER, Periods
from flatfield.probe.unhonoured import Ledger, WindowTooSmallError


@dataclass
class Rewriting:
    """A graph on the torus while it is written: nodes, constants, and what is known of its tensors.

    `names` gives, for a tensor of the old graph, the one that stands for it; `known` the periods of those that
    come from the flat field.
    """

    shapes: Mapping[str, Ints]
    initial: Mapping[str, Array]
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    known: dict[str, Periods] = field(default_factory=dict)
    origins: dict[str, tuple[Ints, Periods]] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=lambda: Ledger(lenient=True))

    def name(self, old: str) -> str:
        """The tensor that stands for one of the old graph."""
        return self.names.get(old, old)

    def constant(self, value: Any) -> str:
        """Add numbers to the graph."""
        name = f"flatfield/constant/{len(self.constants)}"
        self.constants[name] = np.asarray(value)
        return name

    def add(self, operator: str, inputs: Sequence[str], **attributes: Any) -> str:
        """Add a node with one output."""
        output = f"flatfield/{operator}/{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def extended(self, name: str, size: Ints, sides: Sequence[tuple[int, int]], periods: Sequence[int]) -> str:
        """Show more positions of the last axes, or fewer: a lookup whose indices are known now."""
        rank = len(size)
        first = rank - len(sides)
        for axis, ((before, after), period) in enumerate(zip(sides, periods, strict=True), start=first):
            n = size[axis]
            if before == after == 0:
                continue
            if period > n:
                raise WindowTooSmallError(f"{n} positions of a signal with period {period}")
            where = np.arange(-before, n + after)
            indices = np.where((where >= 0) & (where < n), where, where % period)
            name = self.add("Gather", [name, self.constant(indices.astype(np.int64))], axis=axis)
        return name

    def flattened(self, name: str, size: Ints, periods: Periods) -> str:
        """Give the spatial mean of (batch, channel, *space) over whole periods, in a tensor of the same size."""
        sides = [(0, -(n % p)) if 1 < p <= n else (0, 0) for n, p in zip(size[2:], periods[2:], strict=True)]
        mean = self.add("GlobalAveragePool", [self.extended(name, size, sides, periods[2:])])
        return self.add("Expand", [mean, self.constant(np.array(size, np.int64))])


@dataclass(frozen=True)
class OnnxNode:
    """One node of the old graph."""

    proto: onnx.NodeProto
    into: Rewriting
    attributes: Mapping[str, Any]

    @classmethod
    def of(cls, proto: onnx.NodeProto, into: Rewriting) -> OnnxNode:
        """Read a node's attributes."""
        return cls(proto, into, {a.name: helper.get_attribute_value(a) for a in proto.attribute})

    @property
    def operator(self) -> str:
        """Name of the operator."""
        return self.proto.op_type

    @property
    def label(self) -> str:
        """Name of the node, or of what it writes."""
        return self.proto.name or self.proto.output[0]

    def input(self, place: int = 0) -> str:
        """Name of an input in the old graph; empty where it is absent."""
        return self.proto.input[place] if place < len(self.proto.input) else ""

    def shape(self, place: int = 0) -> Ints:
        """Shape of an input."""
        return self.into.shapes[self.input(place)]

    @property
    def output_shape(self) -> Ints:
        """Shape of the first output."""
        return self.into.shapes[self.proto.output[0]]

    def periods(self, place: int = 0) -> Periods:
        """Periods of an input; one that does not come from the flat field has no positions."""
        name = self.input(place)
        return self.into.known.get(name, (OTHER,) * len(self.into.shapes.get(name, ())))

    def space(self, place: int = 0) -> Periods:
        """Periods of the axes behind batch and channel; unknown ones are one whole period."""
        pairs = zip(self.periods(place)[2:], self.shape(place)[2:], strict=True)
        return tuple(self.into.ledger.period(self.label, self.operator, p, n) if p > 0 else n for p, n in pairs)

    def numbers(self, place: int) -> Array | None:
        """An input's numbers where they are written in the file."""
        return self.into.initial.get(self.input(place))

    def listed(self, name: str, dims: int, otherwise: int) -> Ints:
        """An attribute with a number an axis."""
        return tuple(int(n) for n in self.attributes.get(name) or (otherwise,) * dims)

    def copy(self, inputs: Sequence[str] | None = None, *, drop: Sequence[str] = (), **attributes: Any) -> str:
        """Write the node again with other inputs and attributes; gives the name of its first output."""
        proto = onnx.NodeProto()
        proto.CopyFrom(self.proto)
        changed = [self.into.name(name) for name in self.proto.input] if inputs is None else list(inputs)
        del proto.input[:]
        proto.input.extend(changed)
        for old in [a for a in proto.attribute if a.name in attributes or a.name in drop]:
            proto.attribute.remove(old)
        proto.attribute.extend(helper.make_attribute(k, v) for k, v in attributes.items())
        self.into.nodes.append(proto)
        return str(proto.output[0])

    def note(self, reason: str) -> None:
        """List the node as not honoured."""
        self.into.ledger.add(self.label, self.operator, reason)
