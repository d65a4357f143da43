"""FirstPass: the network on its example input, as it is; what the runs on flat fields need to know of it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Self

import torch
from torch._ops import OpOverload
from torch.utils.weak import WeakTensorKeyDictionary

from flatfield.core.taps import Ints
from flatfield.probe.layer_kind import LAYERS, rank, upsamples
from flatfield.probe.marks import Source
from flatfield.probe.plan import FIRST
from flatfield.probe.prefix import Prefix
from flatfield.probe.statistics import NORMS, Statistics
from flatfield.probe.torus_call import TorusCall
from flatfield.probe.torus_resize import RESIZES
from flatfield.probe.trail import Trail
from flatfield.probe.unhonoured import Ledger
from flatfield.readers.aten_call import bind
from flatfield.readers.visit import Path, Watching, place, plain_name, tensors_in


class FirstPass(Watching):
    """Write down statistics, upsampling layers, and which axes of the inputs hold positions."""

    def __init__(self, path: Path, inputs: Sequence[torch.Tensor]) -> None:
        Watching.__init__(self)
        self.path = path
        self.inputs = inputs
        self.trail = Trail(inputs)
        self.circular = False
        self.statistics = Statistics()
        self.upsamplers: list[tuple[str, tuple[int, ...]]] = []
        self.layers: list[str] = []
        self.resizes: list[tuple[Ints, Ints]] = []
        self.maxima = False
        self.prefix = Prefix()
        self.start = FIRST
        self.writers = WeakTensorKeyDictionary()  # what a convolution wrote -> its name and the size of its input

    def __torch_dispatch__(
        self, func: OpOverload, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run one operator, then look at it."""
        kwargs = kwargs or {}
        operator = plain_name(func)
        result = func(*args, **kwargs)
        marked = self.trail.concerns(tensors_in((args, kwargs)))
        if marked or operator in NORMS or operator in LAYERS:
            name, trail = place(self.path, operator), self.trail
            call = TorusCall(func, name, operator, bind(func, args, kwargs), trail.known, Ledger(), trail.origins)
            if operator in NORMS:
                self.statistics.write(call, result)
            if operator in LAYERS:
                self._look(call, result[0] if isinstance(result, tuple) else result)
            if marked:
                self.trail.follow(call, result)
        if not self.upsamplers:
            self.prefix.write(operator, result)
        return result

    def _look(self, call: TorusCall, result: torch.Tensor) -> None:
        dims = rank(call)
        self.layers.append(call.name)
        self.maxima = self.maxima or "max_pool" in call.operator
        if call.operator in RESIZES:
            self.resizes.append((tuple(call.first().shape[-dims:]), tuple(result.shape[-dims:])))
        if call.operator == "convolution":
            self.writers[result] = call.name, tuple(call.first().shape[-dims:])
        if upsamples(call):
            if not self.upsamplers:
                self.trail.begin_behind(result)
            self._upsampler(call, tuple(call.first().shape[-dims:]))

    def _upsampler(self, call: TorusCall, size: tuple[int, ...]) -> None:
        """A flat field for a shuffle begins at the convolution that writes its channels: they are one layer.

        Behind that convolution the example's own borders would be in the means of its channels, phase by phase.
        """
        writer = self.writers.get(call.first()) if call.operator == "pixel_shuffle" else None
        if writer is not None and not self.upsamplers:
            self.start, size = writer
        self.upsamplers.append((call.name, size))

    def with_inputs(self, inputs: Sequence[torch.Tensor]) -> Self:
        """Keep what was seen of the example for other inputs of the same shapes: statistics stay the example's."""
        other = copy.copy(self)
        other.inputs = inputs
        return other

    def sources(self, dims: int = 0) -> list[tuple[torch.Tensor, Source]]:
        """Inputs that hold positions, of those that layers with `dims` axes look along (0: any), with their axes.

        Where no layer has looked at any input itself, whatever stands behind batch and channels holds positions.
        """
        known = self.trail.marks.sources
        found = [(self.inputs[place], source) for place, source in sorted(known.items())]
        if not found:
            large = [tensor for tensor in self.inputs if tensor.dim() > 2 and tensor.is_floating_point()]
            found = [(t, Source(tuple(range(2, t.dim())), t.dim() - 2, (1,) * (t.dim() - 2))) for t in large]
        return [(tensor, source) for tensor, source in found if dims in (0, source.rank)]
