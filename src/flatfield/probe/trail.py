"""Trail: where the axes of a PyTorch module's inputs go on their way through it, followed operator by operator."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch.utils.weak import WeakTensorKeyDictionary

from flatfield.core.taps import Ints
from flatfield.probe.layer_kind import LAYERS, rank
from flatfield.probe.marks import Marks
from flatfield.probe.period import OTHER, Periods, after_downsampling, after_upsampling
from flatfield.probe.torus_call import TorusCall, numbers
from flatfield.probe.torus_layers import PADS
from flatfield.probe.torus_resize import RESIZES, scales
from flatfield.probe.torus_views import MADE, REDUCTIONS, RULES, left_over, pointwise
from flatfield.readers.visit import tensors_in

_FOLDS = ("im2col", "col2im")


class Trail:
    """Marks on the inputs, carried along by the same rules as periods are.

    `bypassed` is true once something with positions meets what the first upsampling layer wrote, without having come
    through it: a skip connection.
    """

    def __init__(self, inputs: Iterable[torch.Tensor]) -> None:
        self.marks = Marks()
        self.known = WeakTensorKeyDictionary()
        self.origins = WeakTensorKeyDictionary()
        self.behind = WeakTensorKeyDictionary()
        self.bypassed = False
        for tensor in inputs:
            self.known[tensor] = self.marks.put(tuple(tensor.shape) if tensor.is_floating_point() else ())

    def concerns(self, tensors: Iterable[torch.Tensor]) -> bool:
        """True for an operator that reads anything marked."""
        return any(max(self.known.get(tensor, ()), default=OTHER) > OTHER for tensor in tensors)

    def begin_behind(self, result: torch.Tensor) -> None:
        """Note what the first upsampling layer has written; of no interest where no input has positions."""
        if self.marks.reached:
            self.behind[result] = True

    def follow(self, call: TorusCall, result: Any) -> None:
        """Carry marks from what an operator reads to what it writes."""
        if call.operator in MADE:
            return
        results = list(tensors_in(result))
        fresh = [tensor for tensor in results if tensor not in self.known]  # in place, marks stay what they are
        for tensor, marks in zip(fresh, self._carried(call, fresh) if fresh else [], strict=False):
            self.known[tensor] = marks if len(marks) == tensor.dim() else (OTHER,) * tensor.dim()
        if self.behind:
            self._meet(list(call.tensors()), results)

    def _carried(self, call: TorusCall, results: list[torch.Tensor]) -> list[Periods]:
        first = call.first()
        if call.operator in LAYERS:
            return [self._layer(call, first, tuple(results[0].shape))]
        if call.operator in PADS:
            return [call.periods(first)]
        if call.operator in REDUCTIONS:
            return [left_over(call, first)[1]]
        rule = RULES.get(call.operator)
        if rule is None and torch.Tag.pointwise not in call.function.tags:
            return []
        return (rule or pointwise)(call, results)

    def _layer(self, call: TorusCall, x: torch.Tensor, shape: Ints) -> Periods:
        dims = rank(call)
        if call.operator in _FOLDS or x.dim() < dims + 1:
            return ()
        marks = call.periods(x)
        space = tuple(
            after_downsampling(after_upsampling(mark, up), down) if down else OTHER
            for mark, (up, down) in zip(marks[-dims:], _factors(call, dims, tuple(x.shape), shape), strict=True)
        )
        self.marks.reach(marks[-dims:])
        self.marks.reach(space)
        return (*marks[: -dims - 1], OTHER, *space)

    def _meet(self, operands: list[torch.Tensor], results: list[torch.Tensor]) -> None:
        through = [tensor in self.behind for tensor in operands]
        if not any(through):
            return
        for tensor in results:
            self.behind[tensor] = True
        around = [t for t, behind in zip(operands, through, strict=True) if not behind and t in self.known]
        self.bypassed = self.bypassed or any(self.marks.hold_positions(self.known[t], tuple(t.shape)) for t in around)


def _factors(call: TorusCall, dims: int, before: Ints, after: Ints) -> list[tuple[int, int]]:
    """Positions written for each read, an axis at a time, as (up, down).

    `down` is 0 where no factor tells it, or one position is left of all.
    """
    if "convolution" in call.operator:
        stride = numbers(call["stride"], dims)
        return [(s, 1) if call["transposed"] else (1, s) for s in stride]
    if call.operator in RESIZES:
        return [(f.numerator, f.denominator) for f in scales(call, before[-dims:], after[-dims:])]
    if "stride" in call.arguments:
        return [(1, s) for s in numbers(call["stride"] or call["kernel_size"], dims)]
    return [
        (m // n, 1) if m % n == 0 else (1, n // m if n % m == 0 and m > 1 else 0)
        for n, m in ((max(1, n), max(1, m)) for n, m in zip(before[-dims:], after[-dims:], strict=True))
    ]
