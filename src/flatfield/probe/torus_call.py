"""TorusCall: one dispatched operator in a run on the torus, and what is known of the tensors it reads."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch._ops import OpOverload
from torch.utils.weak import WeakTensorKeyDictionary

from flatfield.core.taps import Ints, Pairs
from flatfield.probe.flat_field import is_constant
from flatfield.probe.period import COPY, OTHER, Periods, together
from flatfield.probe.prefix import Prefix
from flatfield.probe.unhonoured import Ledger
from flatfield.readers.visit import tensors_in


@dataclass(frozen=True)
class TorusCall:
    """An operator with its arguments by name; `known` holds the periods of tensors that come from the flat field."""

    function: OpOverload
    name: str
    operator: str
    arguments: dict[str, Any]
    known: WeakTensorKeyDictionary
    ledger: Ledger
    origins: WeakTensorKeyDictionary | None = None
    prefix: Prefix | None = None
    repeats: bool = False

    def __getitem__(self, argument: str) -> Any:
        return self.arguments[argument]

    def run(self, /, **changes: Any) -> Any:
        """Run the operator itself, with some arguments changed (one of them may be called `self`)."""
        result = self.prefix.take(self.operator) if self.prefix is not None and self.repeats else None
        if result is None:
            result = self.function(**{**self.arguments, **changes})
        if self.prefix is not None:
            self.prefix.write(self.operator, result)
        return result

    def first(self) -> torch.Tensor:
        """The first tensor among the arguments."""
        return next(self.tensors())

    def tensors(self) -> Iterator[torch.Tensor]:
        """All tensors among the arguments."""
        return tensors_in(list(self.arguments.values()))

    def periods(self, tensor: torch.Tensor) -> Periods:
        """Periods of a tensor; one that does not come from the flat field has no positions."""
        found: Periods = self.known.get(tensor, (OTHER,) * tensor.dim())
        return found

    def space(self, tensor: torch.Tensor, dims: int) -> Periods:
        """Periods of the last axes as a layer needs them: an axis of unknown meaning is one whole period."""
        periods = self.periods(tensor)[-dims:]
        return tuple(
            self.ledger.period(self.name, self.operator, p, n) if p > 0 else n
            for p, n in zip(periods, tensor.shape[-dims:], strict=True)
        )

    def behind(self, tensor: torch.Tensor, space: Sequence[int]) -> Periods:
        """Periods of a result that has new last axes and the first ones of `tensor`."""
        return (*self.periods(tensor)[: tensor.dim() - len(space)], *space)

    def meet(self, operands: Sequence[torch.Tensor], shape: Sequence[int]) -> Periods:
        """Periods where operands meet elementwise; one that is not flat and comes from elsewhere is a leak."""
        flat = [(tuple(t.shape), self.periods(t)) for t in operands if t in self.known]
        result = list(together(tuple(shape), flat))
        for tensor in operands:
            if tensor in self.known:
                continue
            for back in range(1, min(tensor.dim(), len(result)) + 1):
                if result[-back] > 0 and not is_constant(tensor, tensor.dim() - back):
                    self.ledger.leak(self.name, self.operator)
                    result[-back] = math.lcm(result[-back], tensor.shape[-back])
        return tuple(result)

    def note(self, reason: str) -> None:
        """List the operator as not honoured."""
        self.ledger.add(self.name, self.operator, reason)

    def axis(self, argument: str = "dim", *, extra: int = 0) -> int:
        """An axis argument, counted from the front."""
        tensor = self.first()
        return int(self.arguments[argument] or 0) % max(1, tensor.dim() + extra)


def numbers(value: Sequence[int] | int, dims: int) -> Ints:
    """PyTorch's short spellings: one number, or one an axis.

    >>> numbers([2], 3), numbers(2, 1), numbers([1, 2], 2)
    ((2, 2, 2), (2,), (1, 2))
    """
    listed = (value,) if isinstance(value, int) else tuple(int(n) for n in value)
    return listed if len(listed) == dims else (listed[0],) * dims


def pairs_of(sides: Sequence[int]) -> Pairs:
    """Padding as PyTorch lists it, last axis first, as (before, after) of the last axes in their order.

    >>> pairs_of([1, 2, 3, 4])
    ((3, 4), (1, 2))
    """
    return tuple((sides[i], sides[i + 1]) for i in range(len(sides) - 2, -1, -2))


__all__ = ["COPY", "OTHER", "TorusCall", "numbers", "pairs_of"]
