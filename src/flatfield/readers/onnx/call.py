"""Call: one node of an ONNX graph with its attributes, its operands as values, and their numbers if known."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flatfield.core.taps import Ints
from flatfield.network import Weight
from flatfield.readers.onnx.tensors import Array, MalformedError, tensor_weight, text
from flatfield.readers.trace import Trace, Value
from onnx import AttributeProto

MOST_KNOWN = 1 << 20  # entries of an operand that decides about shapes: sizes, scales, indices


class NotUnderstoodError(Exception):
    """A node whose effect on positions can't be told; the walk lists it as unread."""


@dataclass(frozen=True)
class Tensor:
    """A tensor of the graph: its value, and its numbers if they do not depend on the network's input.

    `sized` is False where nobody knows how large it is; `depth` counts the operators that must run before
    the numbers are there; a sequence has `items`.
    """

    value: Value
    weight: Weight | None = None
    sized: bool = True
    depth: int = 0
    items: tuple[Tensor, ...] | None = None


Result = Value | Tensor | Sequence[Value | Tensor]


@dataclass(frozen=True)
class Call:
    """One node: what it is, what went in, and where to note what it does."""

    trace: Trace
    operator: str
    name: str
    operands: tuple[Tensor | None, ...]
    outputs: int = 1
    attributes: Mapping[str, AttributeProto] = field(default_factory=dict)
    folder: Path = Path()

    # -- attributes ------------------------------------------------------------------------------------------

    def _attribute(self, name: str, kind: int) -> AttributeProto | None:
        found = self.attributes.get(name)
        if found is not None and found.type != kind:
            raise MalformedError(f"its attribute {name!r} has the wrong type")
        return found

    def number(self, name: str, otherwise: int) -> int:
        """A whole number."""
        found = self._attribute(name, AttributeProto.INT)
        return otherwise if found is None else int(found.i)

    def numbers(
        self, name: str, dims: int = -1, *, otherwise: int | None = None, least: int | None = None
    ) -> Ints | None:
        """Whole numbers, `dims` of them; None (or `otherwise` on every axis) where the attribute is absent."""
        found = self._attribute(name, AttributeProto.INTS)
        if found is None:
            return None if otherwise is None else (otherwise,) * dims
        numbers = tuple(int(n) for n in found.ints)
        if dims >= 0 and len(numbers) != dims:
            raise MalformedError(f"its {name} {list(numbers)} must be {dims} numbers")
        if least is not None and any(n < least or n > 1 << 31 for n in numbers):
            raise MalformedError(f"its {name} {list(numbers)} must be at least {least}")
        return numbers

    def reals(self, name: str) -> tuple[float, ...] | None:
        """Real numbers."""
        found = self._attribute(name, AttributeProto.FLOATS)
        return None if found is None else tuple(found.floats)

    def word(self, name: str, otherwise: str = "") -> str:
        """A word."""
        found = self._attribute(name, AttributeProto.STRING)
        return otherwise if found is None else text(found.s, f"its attribute {name!r}")

    def tensor(self, name: str) -> Weight | None:
        """A tensor kept as an attribute."""
        found = self._attribute(name, AttributeProto.TENSOR)
        return None if found is None else tensor_weight(found.t, self.folder)

    # -- operands --------------------------------------------------------------------------------------------

    def has(self, place: int) -> bool:
        """True when the operand is there."""
        return place < len(self.operands) and self.operands[place] is not None

    def operand(self, place: int) -> Tensor:
        """An operand that must be there."""
        found = self.operands[place] if place < len(self.operands) else None
        if found is None:
            raise MalformedError(f"its input {place} is missing")
        return found

    def value(self, place: int = 0, *, rank: int = 0) -> Value:
        """The value of an operand whose size is known and that has at least `rank` axes."""
        found = self.operand(place)
        if not found.sized or found.items is not None:
            raise NotUnderstoodError("the size of its input is unknown")
        if len(found.value.axes) < rank:
            raise MalformedError(f"its input of {len(found.value.axes)} axes must have at least {rank}")
        return found.value

    def values(self) -> list[Value]:
        """The values of all operands that are there."""
        return [self.value(place) for place in range(len(self.operands)) if self.has(place)]

    def weight(self, place: int) -> Weight | None:
        """The numbers of an operand as a layer's weight; None where they come out of the network."""
        return self.operand(place).weight if self.has(place) else None

    def known(self, place: int, what: str) -> Array:
        """The numbers of a small operand that decides about shapes."""
        weight = self.operand(place).weight
        if weight is None:
            raise NotUnderstoodError(f"its {what} come out of the network itself")
        if math.prod(weight.shape) > MOST_KNOWN:
            raise NotUnderstoodError(f"its {what} are {math.prod(weight.shape)} numbers")
        return weight.load()

    def known_ints(self, place: int, what: str) -> Ints:
        """The whole numbers of a small operand."""
        numbers = self.known(place, what)
        if numbers.dtype.kind not in "iub":
            raise MalformedError(f"its {what} must be whole numbers")
        return tuple(int(n) for n in numbers.ravel())

    def setting(self, name: str, place: int) -> Ints | None:
        """Whole numbers that older opsets give as an attribute and newer ones as an operand."""
        if name in self.attributes:
            return self.numbers(name)
        return self.known_ints(place, name) if self.has(place) else None

    def axis(self, rank: int, *, otherwise: int = 0, name: str = "axis") -> int:
        """An axis, counted from the front."""
        return counted(self.number(name, otherwise), rank)


def counted(axis: int, rank: int) -> int:
    """Count an axis from the front.

    >>> counted(-1, 4)
    3
    """
    if not -rank <= axis < rank:
        raise MalformedError(f"its axis {axis} is not one of {rank}")
    return axis % rank


def broadcast_shape(shapes: Sequence[Ints]) -> Ints:
    """Give the size of an elementwise result.

    >>> broadcast_shape([(1, 3, 8, 8), (3, 1, 1)])
    (1, 3, 8, 8)
    """
    rank = max((len(shape) for shape in shapes), default=0)
    result = []
    for place in range(-rank, 0):
        sizes = {shape[place] for shape in shapes if len(shape) >= -place} - {1}
        if len(sizes) > 1:
            raise MalformedError(f"its inputs {' and '.join(str(list(s)) for s in shapes)} do not fit together")
        result.append(sizes.pop() if sizes else 1)
    return tuple(result)
