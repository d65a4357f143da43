"""Canvas: tensors that are filled part by part, through slices of themselves.

`canvas[:, :, ::2] = even; canvas[:, :, 1::2] = odd` interleaves, one of the two alone puts zeros between, and
writing the middle pads. Circular padding is such a program inside PyTorch.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.utils.weak import WeakTensorKeyDictionary

from flatfield.core.taps import Pairs
from flatfield.readers import axes as ax
from flatfield.readers.axes import Axes
from flatfield.readers.trace import Trace, Value


@dataclass(frozen=True)
class View:
    """A slice of `base` along one axis; a `step` of 0 is a single entry, whose axis is gone."""

    base: torch.Tensor
    axis: int
    start: int
    step: int
    value: Value


@dataclass(frozen=True)
class Part:
    """Which part of a canvas a chain of slices shows: axis by axis of the canvas, and where each axis went."""

    start: tuple[int, ...]
    step: tuple[int, ...]
    places: tuple[int, ...]


class Canvas:
    """What is known of tensors that are views, and the values of those that are written through their views."""

    def __init__(self, trace: Trace, values: MutableMapping[torch.Tensor, Value]) -> None:
        self.trace = trace
        self.values = values
        self.views: MutableMapping[torch.Tensor, View] = WeakTensorKeyDictionary()
        self.begun: MutableMapping[torch.Tensor, bool] = WeakTensorKeyDictionary()

    def viewed(self, view: torch.Tensor, arguments: dict[str, Any], value: Value) -> None:
        """Remember a slice, or one selected entry."""
        base, axis = arguments["self"], arguments["dim"] % arguments["self"].dim()
        start = arguments.get("start", arguments.get("index")) or 0
        start = min(base.shape[axis], start + base.shape[axis] if start < 0 else start)
        step = (arguments["step"] or 1) if "step" in arguments else 0
        self.views[view] = View(base, axis, int(start), int(step), value)

    def written(self, name: str, target: torch.Tensor, value: Value, source: torch.Tensor | None = None) -> None:
        """Pass what was written into a view on to the canvas; `source` is the tensor that was copied, if one was."""
        views = self._views_of(target)
        if not views or value.constant:
            return
        canvas = views[-1].base
        known, part = self.values.get(canvas), _part(views)
        if source is not None:
            self._forget_slices(views)
        if known is None or known.constant:
            self.values[canvas] = self._first(name, canvas, target, value, part)
            self.begun[canvas] = True
        elif canvas in self.begun:
            self.values[canvas] = self._another(known, value, wraps=self._shows(source, canvas))
        elif any(step > 1 and ax.has_space((known.axes[i],)) for i, step in enumerate(part.step)):
            self.trace.misunderstood(name, "copy", [value], known.shape, "written to every other position")
        else:
            self.values[canvas] = self.trace.arranged("copy", [known, value], known.axes)

    def _first(self, name: str, canvas: torch.Tensor, target: torch.Tensor, value: Value, part: Part) -> Value:
        sizes = tuple(canvas.shape)
        axes: list[ax.Axis] = []
        pad: Pairs = ()
        for i, (whole, step) in enumerate(zip(sizes, part.step, strict=True)):
            if step == 0:
                axes, pad = [*axes, ax.fresh("channel", whole)], (*pad, (0, 0))
                continue
            place = part.places.index(i)
            axis, shown = value.axes[place], target.shape[place]
            if step > 1 and shown * step != whole:
                return self.trace.misunderstood(name, "copy", [value], sizes, "written to every other position")
            rest = whole - shown - part.start[i] if step == 1 else 0
            pad = (*pad, (part.start[i] if step == 1 else 0, rest))
            larger = ax.fresh(axis[0].role if axis else "space", whole)
            axes.append((*axis, *ax.fresh("zero", step)) if step > 1 else axis if shown == whole else larger)
        return replace(self.trace.arranged("copy", [value], tuple(axes)), pad=pad, pad_mode="zeros")

    def _another(self, known: Value, value: Value, *, wraps: bool) -> Value:
        result = self.trace.arranged("copy", [known, value], _interleaved(known.axes))
        return replace(result, pad=known.pad, pad_mode="circular") if wraps else result

    def _shows(self, source: torch.Tensor | None, canvas: torch.Tensor) -> bool:
        """True for a slice of the canvas itself, copied as it is."""
        if source is None or source not in self.views:
            return False
        views = self._views_of(source)
        return views[-1].base is canvas and self.values.get(source) is views[0].value

    def _views_of(self, tensor: torch.Tensor) -> list[View]:
        views: list[View] = []
        while tensor in self.views:
            views.append(self.views[tensor])
            tensor = views[-1].base
        return views

    def _forget_slices(self, views: list[View]) -> None:
        """A slice that was only made to be written into is no layer, nor is what it seemed to cut."""
        layers = self.trace.layers
        for view in views:
            for name in view.value.sources if view.step > 1 else ():
                if name in layers and layers[name].operator == "Slice":
                    self._forget(name)

    def _forget(self, name: str) -> None:
        layers = self.trace.layers
        if any(name in layer.inputs for layer in layers.values()):
            return
        for before in layers.pop(name).inputs:
            if before in layers and layers[before].mode == "zeros":
                self._forget(before)


def _part(views: list[View]) -> Part:
    dims = views[-1].base.dim()
    start, step, places = [0] * dims, [1] * dims, list(range(dims))
    for view in reversed(views):
        i = places[view.axis]
        start[i] += view.start * step[i]
        step[i] *= view.step
        if not view.step:
            del places[view.axis]
    return Part(tuple(start), tuple(step), tuple(places))


def _interleaved(axes: Axes) -> Axes:
    """Where one write left zeros, another one makes phases."""
    return tuple(
        tuple(part for atom in axis for part in (ax.fresh("channel", atom.size) if atom.role == "zero" else (atom,)))
        for axis in axes
    )
