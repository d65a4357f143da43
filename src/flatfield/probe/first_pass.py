"""FirstPass: the network on its example input, as it is; what the runs on flat fields need to know of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch._ops import OpOverload
from torch.utils.weak import WeakTensorKeyDictionary

from flatfield.probe.layer_kind import LAYERS, rank, upsamples
from flatfield.probe.plan import FIRST
from flatfield.probe.prefix import Prefix
from flatfield.probe.statistics import NORMS, Statistics
from flatfield.probe.torus_call import TorusCall, numbers
from flatfield.probe.unhonoured import Ledger
from flatfield.readers.aten_call import bind
from flatfield.readers.visit import Path, Watching, place, plain_name

_STRIDING = frozenset(("convolution", *(f"{kind}_pool{d}d" for kind in ("avg", "max") for d in (1, 2, 3)),
                       "max_pool2d_with_indices", "max_pool3d_with_indices"))  # fmt: skip


class FirstPass(Watching):
    """Write down statistics, upsampling layers, and how far sizes shrink."""

    def __init__(self, path: Path) -> None:
        Watching.__init__(self)
        self.path = path
        self.statistics = Statistics()
        self.upsamplers: list[tuple[str, tuple[int, ...]]] = []
        self.layers: list[str] = []
        self.smallest: dict[int, list[int]] = {}
        self.strides: dict[int, list[int]] = {}
        self.maxima = False
        self.prefix = Prefix()
        self.nothing = WeakTensorKeyDictionary()
        self.start = FIRST
        self.writers = WeakTensorKeyDictionary()  # what a convolution wrote -> its name and the size of its input

    def __torch_dispatch__(
        self, func: OpOverload, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run one operator, then look at it."""
        kwargs = kwargs or {}
        operator = plain_name(func)
        result = func(*args, **kwargs)
        if operator in NORMS or operator in LAYERS:
            name = place(self.path, operator)
            call = TorusCall(func, name, operator, bind(func, args, kwargs), self.nothing, Ledger())
            if operator in NORMS:
                self.statistics.write(call, result)
            else:
                self._look(call, result[0] if isinstance(result, tuple) else result)
        if not self.upsamplers:
            self.prefix.write(operator, result)
        return result

    def _look(self, call: TorusCall, result: torch.Tensor) -> None:
        dims = rank(call)
        self.layers.append(call.name)
        self.maxima = self.maxima or "max_pool" in call.operator
        if not upsamples(call) and call.operator in _STRIDING:
            own = numbers(call["stride"] or call["kernel_size"], dims)
            before = self.strides.get(dims, [1] * dims)
            self.strides[dims] = [a * b for a, b in zip(before, own, strict=True)]
        if call.operator == "convolution":
            self.writers[result] = call.name, tuple(call.first().shape[-dims:])
        if upsamples(call):
            self._upsampler(call, tuple(call.first().shape[-dims:]))
        for size in (call.first().shape, result.shape):
            if len(size) >= dims + 1 and call.operator not in ("im2col", "col2im"):
                least = self.smallest.setdefault(dims, list(size[-dims:]))
                self.smallest[dims] = [min(a, b) for a, b in zip(least, size[-dims:], strict=True)]

    def _upsampler(self, call: TorusCall, size: tuple[int, ...]) -> None:
        """A flat field for a shuffle begins at the convolution that writes its channels: they are one layer.

        Behind that convolution the example's own borders would be in the means of its channels, phase by phase.
        """
        writer = self.writers.get(call.first()) if call.operator == "pixel_shuffle" else None
        if writer is not None and not self.upsamplers:
            self.start, size = writer
        self.upsamplers.append((call.name, size))
