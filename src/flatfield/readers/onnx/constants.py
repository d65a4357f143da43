"""Constants: tensors that do not depend on the input, small ones computed at once, larger ones when wanted."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from flatfield.core.taps import Ints
from flatfield.network import Weight
from flatfield.readers.errors import UnreadableError
from flatfield.readers.onnx.arithmetic import ARITHMETIC, compute
from flatfield.readers.onnx.call import Call, Tensor
from flatfield.readers.onnx.tensors import Array, array_weight

MALFORMED = (ValueError, KeyError, IndexError, TypeError, OverflowError, ZeroDivisionError, AttributeError)
_SMALL = 1 << 12  # entries up to which constants are computed at once
_MOST_KEPT = 1 << 23  # entries of all constants computed at once
_LARGEST = 1 << 24  # entries of a constant that is larger than all it is computed from
_MOST_DEPTH = 32  # of constants that are computed from each other when they are wanted


@dataclass
class Constants:
    """Computes constants; `error` makes of a reason an error that names the file."""

    error: Callable[[str], UnreadableError]
    kept: int = 0

    def folded(self, call: Call, results: list[Tensor]) -> Sequence[Tensor]:
        """Give the results of a node their numbers, if all its operands have theirs."""
        weights = _weights(call)
        if call.operator not in ARITHMETIC or not weights or results[0].weight is not None:
            return results
        shapes = [result.value.shape for result in results]
        entries = [math.prod(weight.shape) for weight in weights]
        wanted = sum(math.prod(shape) for shape in shapes)
        if max(entries) <= _SMALL and wanted <= _SMALL and self.kept + wanted <= _MOST_KEPT:
            self.kept += wanted
            arrays = compute(call, shapes[0], [weight.load() for weight in weights])
            return [
                replace(result, weight=array_weight(array.reshape(shape)))
                for result, array, shape in zip(results, arrays, shapes, strict=False)
            ]
        depth = 1 + max(operand.depth for operand in call.operands if operand is not None)
        if depth > _MOST_DEPTH or wanted > max(_LARGEST, sum(entries)):
            return results
        return [
            replace(result, weight=self._later(call, weights, place, shapes), depth=depth)
            for place, result in enumerate(results)
        ]

    def _later(self, call: Call, weights: Sequence[Weight], place: int, shapes: Sequence[Ints]) -> Weight:
        def load() -> Array:
            arrays = compute(call, shapes[0], [weight.load() for weight in weights])
            return arrays[place].reshape(shapes[place])

        return self.guarded(Weight(shapes[place], load), call.name)

    def guarded(self, weight: Weight, name: str) -> Weight:
        """Let a weight that can't be decoded say so like everything else that can't be read."""

        def load() -> Array:
            try:
                return weight.load()
            except UnreadableError:
                raise
            except (*MALFORMED, OSError, MemoryError) as error:
                reason = str(error).replace("\n", " ")
                raise self.error(f"the weight {name!r} can't be decoded ({reason})") from error

        return Weight(weight.shape, load)


def _weights(call: Call) -> list[Weight]:
    """The numbers of all operands; none if one has none, or is left out in front of another."""
    operands = list(call.operands)
    while operands and operands[-1] is None:
        operands.pop()
    weights = [operand.weight for operand in operands if operand is not None]
    found = [weight for weight in weights if weight is not None]
    return found if len(found) == len(operands) else []
