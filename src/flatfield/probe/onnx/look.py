"""Look: an ONNX model run on its example input, as it is; what the runs on flat fields need to know of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from flatfield.core.taps import Ints
from flatfield.probe.marks import Source
from flatfield.probe.onnx.begin import candidates
from flatfield.probe.onnx.model import Array, OnnxModel
from flatfield.probe.onnx.norms import OVER_POSITIONS
from flatfield.probe.onnx.trail import sources_of
from flatfield.probe.onnx.views import RULES

_SETTINGS = frozenset(("Pad", "Slice", "CumSum", *(name for name in RULES if name.startswith("Reduce"))))
"""Operators whose further inputs are amounts and axes, often worked out by the graph itself."""


@dataclass(frozen=True)
class Look:
    """A model with the shapes of all tensors, and the numbers of those that matter, on its example input."""

    model: OnnxModel
    shapes: Mapping[str, Ints]
    found: Mapping[str, Array]

    @classmethod
    def at(cls, model: OnnxModel, layer: str) -> Look:
        """Run the model once; a flat field may be asked to begin at `layer` (empty: the first that upsamples)."""
        norms = [n.input[0] for n in model.proto.graph.node if n.op_type in OVER_POSITIONS]
        names = [*norms, *settings(model), *candidates(model, layer)]
        wanted = [name for name in dict.fromkeys(names) if name not in model.initial and name not in model.feeds]
        shapes, found = model.shapes_and(wanted)
        return cls(model, shapes, {**model.initial, **model.feeds, **found})

    @cached_property
    def sources(self) -> dict[str, Source]:
        """Inputs with the axes that hold positions."""
        return sources_of(self.model, self.shapes, self.found)


def settings(model: OnnxModel) -> list[str]:
    """Amounts and axes that the graph works out itself."""
    listed = [x for n in model.proto.graph.node if n.op_type in _SETTINGS for x in n.input[1:] if x]
    return [name for name in listed if name not in model.initial and name not in model.feeds]
