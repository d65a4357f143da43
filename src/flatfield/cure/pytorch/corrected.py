"""Corrected: a model with a flat-field correction behind it."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from flatfield.cure.layout import Layout
from flatfield.nn.flat_field_correction import FlatFieldCorrection
from flatfield.readers.visit import tensors_in


class Corrected(nn.Module):
    """Run `model` as it was, then `correction` on the output that has the grid; other outputs pass unchanged.

    Dicts, tuples, lists and dataclasses come out as what they were. The state has the model's keys behind `model.`.

    >>> import torch
    >>> from flatfield.cure.layout import layout_of
    >>> grid = torch.tensor([1.0, -1.0]).reshape(2, 1, 1, 1)
    >>> one = torch.ones(1, 1)
    >>> correction = FlatFieldCorrection((2,), torch.zeros(1), one[None], -one, one, grid)
    >>> Corrected(nn.Identity(), correction, layout_of((0, 2), 0))(torch.tensor([[3.0, 1.0]])).tolist()
    [[2.0, 2.0]]
    """

    def __init__(self, model: nn.Module, correction: FlatFieldCorrection, layout: Layout) -> None:
        super().__init__()
        self.model = model
        self.correction = correction
        self.layout = layout
        self.train(model.training)

    def forward(self, *args: Any, **keywords: Any) -> Any:
        """Run the model and subtract the grid."""
        return replaced(self.model(*args, **keywords), self.layout.place, self._corrected)

    def _corrected(self, output: Tensor) -> Tensor:
        corrected: Tensor = self.correction(arranged(output, self.layout))
        if self.layout.channel is None:
            corrected = corrected.squeeze(1)
        order = self.layout.order
        return corrected.permute([order.index(axis) for axis in range(len(order))])


def arranged(output: Tensor, layout: Layout) -> Tensor:
    """Bring an output to (batch, channels, *space)."""
    moved = output.permute(layout.order)
    return moved.unsqueeze(1) if layout.channel is None else moved


def replaced(tree: Any, place: int, function: Callable[[Tensor], Tensor]) -> Any:
    """Put `function(tensor)` in the place of one tensor of a model's output, counted as `tensors_in` walks them.

    >>> import torch
    >>> replaced({"a": torch.zeros(1), "b": (torch.zeros(1), None)}, 1, lambda t: t + 1)
    {'a': tensor([0.]), 'b': (tensor([1.]), None)}
    """
    if isinstance(tree, Tensor):
        return function(tree) if place == 0 else tree
    if isinstance(tree, Mapping):
        changed: Any = copy.copy(tree)
        for name, branch in _each(tree.items(), place, function):
            changed[name] = branch
        return changed
    if isinstance(tree, list | tuple):
        branches = [branch for _, branch in _each(enumerate(tree), place, function)]
        return type(tree)(*branches) if hasattr(tree, "_fields") else type(tree)(branches)
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        fields = [(field.name, getattr(tree, field.name)) for field in dataclasses.fields(tree)]
        return dataclasses.replace(tree, **dict(_each(fields, place, function)))
    return tree


def _each(
    branches: Iterable[tuple[Any, Any]], place: int, function: Callable[[Tensor], Tensor]
) -> Iterator[tuple[Any, Any]]:
    for name, branch in branches:
        count = sum(1 for _ in tensors_in(branch))
        yield name, replaced(branch, place, function) if 0 <= place < count else branch
        place -= count
