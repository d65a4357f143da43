"""Call: one dispatched PyTorch operator with its arguments by name and its tensors as values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch._ops import OpOverload

from flatfield.core.taps import Ints
from flatfield.network import Weight
from flatfield.readers.trace import Trace, Value


@dataclass(frozen=True)
class Call:
    """One dispatched operator: what it is, where it was called, what went in and what came out."""

    trace: Trace
    function: OpOverload
    name: str
    arguments: dict[str, Any]
    sizes: tuple[Ints, ...]
    value_of: Callable[[torch.Tensor], Value]

    @property
    def operator(self) -> str:
        """The operator's name without namespace and overload: `convolution`."""
        return self.function._schema.name.split("::")[-1]

    def __getitem__(self, argument: str) -> Any:
        return self.arguments[argument]

    def value(self, argument: str) -> Value:
        """The value of one tensor argument."""
        return self.value_of(self.arguments[argument])

    def values(self, argument: str = "") -> list[Value]:
        """The values of a list of tensors, or of all tensor arguments."""
        chosen = self.arguments[argument] if argument else list(self.arguments.values())
        return [self.value_of(tensor) for tensor in _tensors(chosen)]

    def axis(self, argument: str = "dim") -> int:
        """An axis argument, counted from the front."""
        place = int(self.arguments[argument])
        tensor = next(_tensors(list(self.arguments.values())))
        return place % max(1, tensor.dim())

    def weight(self, argument: str) -> Weight | None:
        """A tensor argument as a layer's weight, read only when wanted; None where it is absent."""
        tensor = self.arguments[argument]
        return weight_of(tensor) if isinstance(tensor, torch.Tensor) else None


def weight_of(tensor: torch.Tensor) -> Weight | None:
    """Give a tensor as a weight; None when it is fake or on the meta device and has no numbers."""
    from torch._subclasses.fake_tensor import FakeTensor  # noqa: PLC0415 - private module, only needed here

    if isinstance(tensor, FakeTensor) or tensor.is_meta:
        return None

    def load() -> npt.NDArray[np.floating]:
        # detached here, not above: while a module runs on fake tensors, whatever an operator returns is fake
        kept = tensor.detach()
        numbers: npt.NDArray[np.floating] = kept.to("cpu", torch.promote_types(kept.dtype, torch.float32)).numpy()
        return numbers

    return Weight(tuple(tensor.shape), load)


def bind(function: OpOverload, args: Sequence[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Name the arguments of a dispatched operator as its schema does, defaults filled in."""
    named = {}
    for place, argument in enumerate(function._schema.arguments):
        if place < len(args) and not argument.kwarg_only:
            named[argument.name] = args[place]
        elif argument.name in kwargs:
            named[argument.name] = kwargs[argument.name]
        else:
            named[argument.name] = argument.default_value if argument.has_default_value() else None
    return named


def _tensors(tree: Any) -> Iterator[torch.Tensor]:
    if isinstance(tree, torch.Tensor):
        yield tree
    elif isinstance(tree, list | tuple):
        for branch in tree:
            yield from _tensors(branch)
