"""Torus: a dispatch mode in which a network sees a plane that repeats for ever, and a flat field on it.

Operators are caught where PyTorch dispatches them, so any module works, functional calls included.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch._ops import OpOverload
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary

from flatfield.core.taps import Ints
from flatfield.probe.flat_field import flattened, spatial_axes, tensor_unevenness, whole_periods
from flatfield.probe.period import OTHER, Periods, reshaped
from flatfield.probe.statistics import NORMS, Statistics, normalised
from flatfield.probe.torus_call import TorusCall
from flatfield.probe.torus_layers import GATHERS, PADS, SPREADS, Handler, convolution
from flatfield.probe.torus_resize import RESIZES, enlarges, rescaled
from flatfield.probe.torus_views import MADE, REDUCTIONS, RULES, pointwise, reduced, reshape, unknown
from flatfield.probe.unhonoured import Ledger
from flatfield.readers.aten_call import bind
from flatfield.readers.visit import Path, place, plain_name, tensors_in

LAYERS: dict[str, Handler] = {
    **GATHERS, **SPREADS, **RESIZES, "convolution": convolution, "convolution_overrideable": convolution,
}  # fmt: skip
INPUT, FIRST = ":input", ":first"
"""Where the flat field begins: at the network's input, or at the first layer that upsamples."""


@dataclass(frozen=True)
class Step:
    """One layer as the flat field passed it: its unevenness before and behind, 0 to 1."""

    name: str
    operator: str
    upsamples: bool
    before: float
    after: float


@dataclass(frozen=True)
class Plan:
    """One run: where the flat field begins, how many upsamplers are flattened, and on how large a torus.

    `level` counts upsampling layers: what the first `level` of them write is flattened again, so that only later
    ones draw. `size` is the torus at the first layer; empty: as large as the example makes it. `field` is added to
    the flat field there.
    """

    start: str = FIRST
    level: int = 0
    size: Ints = ()
    pattern: str = ""
    freeze: bool = True


class Torus(TorchDispatchMode):
    """Run operators on the torus, from the first flat tensor on; notes a `Step` for every layer."""

    def __init__(self, plan: Plan, statistics: Statistics, path: Path) -> None:
        TorchDispatchMode.__init__(self)
        self.plan = plan
        self.statistics = statistics
        self.path = path
        self.known = WeakTensorKeyDictionary()
        self.writers = WeakTensorKeyDictionary()  # what a convolution wrote -> its name, for a shuffle behind it
        self.ledger = Ledger()
        self.steps: list[Step] = []
        self.begun = plan.start == INPUT
        self.start_name = ""
        self.start_size: Ints = ()
        self.upsamplers = 0
        statistics.used = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing is compiled here: not asking to be skipped saves importing the compiler."""
        return False

    def __torch_dispatch__(
        self, func: OpOverload, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run one operator."""
        kwargs = kwargs or {}
        operator = plain_name(func)
        known = operator in LAYERS or operator in RULES or operator in PADS or operator in REDUCTIONS
        if not known and func.namespace != "prim" and torch.Tag.pointwise not in func.tags:
            with self:  # operators made of others arrive whole under inference_mode
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        name = place(self.path, operator)
        if operator == "pixel_shuffle":
            name = self.writers.get(args[0], name)
        call = TorusCall(func, name, operator, bind(func, args, kwargs), self.known, self.ledger)
        frozen = self.statistics.take(call) if operator in NORMS else ()
        if not self.begun and self._begins(call):
            call = self._begin(call)
        if not any(tensor in self.known for tensor in call.tensors()):
            result = func(*args, **kwargs)
            if operator == "convolution":
                self.writers[result] = name
            return result
        if operator in LAYERS:
            return self._layer(call)
        return self._other(call, frozen if self.plan.freeze else ())

    # -- where the flat field begins ------------------------------------------------------------------------

    def _begins(self, call: TorusCall) -> bool:
        if self.plan.start == FIRST:
            return upsamples(call)
        return call.operator in LAYERS and (call.name == self.plan.start or call.name.startswith(f"{self.plan.start}."))

    def _begin(self, call: TorusCall) -> TorusCall:
        """Put a flat field in the place of the layer's input."""
        self.begun, self.start_name = True, call.name
        key, x = next((k, t) for k, t in call.arguments.items() if isinstance(t, torch.Tensor))
        dims = 1 if call.operator == "col2im" else rank(call)
        size = self.plan.size if len(self.plan.size) == dims and call.operator != "col2im" else ()
        before = tuple(x.shape[-dims:])
        changes: dict[str, Any] = {key: self.field(x, dims, size)}
        if call.operator in RESIZES and size:
            changes["output_size"] = rescaled(call, before, size)
        return TorusCall(
            call.function, call.name, call.operator, {**call.arguments, **changes}, self.known, self.ledger
        )

    def field(self, tensor: torch.Tensor, dims: int, size: Ints = ()) -> torch.Tensor:
        """Make the flat field (or ramp, or stripes) nearest to a tensor, and remember that it is one."""
        axes = range(tensor.dim() - dims, tensor.dim())
        self.start_size = size or tuple(tensor.shape[-dims:])
        flat = flattened(tensor, axes, self.start_size)
        periods: tuple[int, ...] = (1,) * dims
        if self.plan.pattern:
            flat, periods = patterned(flat, tensor, dims, self.plan.pattern)
        self.known[flat] = (*(OTHER,) * (tensor.dim() - dims), *periods)
        return flat

    # -- operators --------------------------------------------------------------------------------------------

    def _layer(self, call: TorusCall) -> Any:
        x = next(t for t in call.tensors() if t in self.known)
        drawing = upsamples(call)
        before = tensor_unevenness(x, call.periods(x))
        result, periods = LAYERS[call.operator](call)
        first = result[0] if isinstance(result, tuple) else result
        after = tensor_unevenness(first, periods) if drawing or max(periods) > 1 else 0.0
        if drawing:
            self.upsamplers += 1
            if self.upsamplers <= self.plan.level:
                first = self.levelled(first, periods)
                result = (first, *result[1:]) if isinstance(result, tuple) else first
                periods = tuple(min(p, 1) for p in periods)
        self._note(Step(call.name, called(call), drawing, before, after))
        if call.operator == "convolution":
            self.writers[result] = call.name
        for tensor in tensors_in(result):
            self.known[tensor] = periods
        return result

    def _note(self, step: Step) -> None:
        """A shuffle named like the convolution in front of it is one layer with it: a sub-pixel convolution."""
        if step.operator == "PixelShuffle" and self.steps and self.steps[-1].name == step.name:
            step = replace(step, before=self.steps.pop().before)
        self.steps.append(step)

    def levelled(self, tensor: torch.Tensor, periods: Periods) -> torch.Tensor:
        """Flatten what a layer has written, over whole periods."""
        axes = spatial_axes(periods)
        mean = whole_periods(tensor, periods).mean(axes, keepdim=True)
        return mean.expand(tensor.shape).clone()

    def _other(self, call: TorusCall, frozen: tuple[torch.Tensor, ...]) -> Any:
        if call.operator in PADS:
            result, periods = PADS[call.operator](call)
            self.known[result] = periods
            return result
        result = normalised(call, frozen) if call.operator in NORMS else None
        if call.operator in REDUCTIONS and ("dim" in call.arguments or len(list(call.tensors())) == 1):
            measured, found = reduced(call)
            return self._written(measured if result is None else result, found)
        if result is None:
            result = call.run()
        results = list(tensors_in(result))
        if call.operator in MADE or not results:
            return result
        if call.operator == "copy":
            return self._copied(call, result)
        pointed = torch.Tag.pointwise in call.function.tags
        rule = RULES.get(call.operator, pointwise if pointed else unknown)
        found = rule(call, results)
        if rule is reshape and shuffles(call, results[0]):
            return self._shuffled(call, results[0], found[0])
        return self._written(result, found)

    def _written(self, result: Any, found: list[Periods]) -> Any:
        for tensor, periods in zip(tensors_in(result), [*found, *found[-1:] * 8], strict=False):
            if len(periods) == tensor.dim() and any(p > 0 for p in periods):
                self.known[tensor] = periods
        return result

    def _copied(self, call: TorusCall, result: torch.Tensor) -> torch.Tensor:
        """`copy_`: into part of another tensor is a padding of its own making."""
        source = call["src"]
        if source in self.known and len(call.periods(source)) == result.dim():
            if result._is_view() or result.storage_offset():
                call.note("written into a part of another tensor")
            self.known[result] = call.periods(source)
        return result

    def _shuffled(self, call: TorusCall, result: torch.Tensor, periods: Periods) -> torch.Tensor:
        """A reshape that turns channels into positions is a pixel shuffle: a layer that draws."""
        self.upsamplers += 1
        before = tensor_unevenness(call.first(), call.periods(call.first()))
        after = tensor_unevenness(result, periods)
        if self.upsamplers <= self.plan.level:
            result, periods = self.levelled(result, periods), tuple(min(p, 1) for p in periods)
        self.steps.append(Step(place(self.path, "pixel_shuffle"), "PixelShuffle", True, before, after))
        self.known[result] = periods
        return result


class CircularPads(TorchFunctionMode):
    """Circular padding by the network itself: made of slices further down, so caught where it still has its name."""

    def __init__(self, torus: Torus) -> None:
        super().__init__()
        self.torus = torus

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Let a tensor of the flat field be padded as any other padding is."""
        kwargs = kwargs or {}
        if func in (torch.nn.functional.pad, torch._C._nn.pad):
            named = {**dict(zip(("input", "pad", "mode", "value"), args, strict=False)), **kwargs}
            if named.get("mode") == "circular" and named["input"] in self.torus.known:
                return torch.nn.functional.pad(named["input"], named["pad"], mode="replicate")
        return func(*args, **kwargs)


def rank(call: TorusCall) -> int:
    """Number of spatial axes of a layer."""
    if "convolution" in call.operator:
        return int(call["weight"].dim() - 2)
    if "output_size" in call.arguments and call.operator != "col2im":
        return len(call["output_size"])
    listed = call.arguments.get("kernel_size")
    return len(listed) if isinstance(listed, list | tuple) else 2


def upsamples(call: TorusCall) -> bool:
    """True for a layer that writes more positions than it reads."""
    if "convolution" in call.operator and call.operator in LAYERS:
        return bool(call["transposed"]) and max(call["stride"]) > 1
    if call.operator in RESIZES:
        return enlarges(call)
    return call.operator in SPREADS


def shuffles(call: TorusCall, result: torch.Tensor) -> bool:
    """True for a reshape that turns channels into positions."""
    return reshaped(call.periods(call.first()), tuple(call.first().shape), tuple(result.shape))[1]


_NAMES = {
    "pixel_shuffle": "PixelShuffle", "pixel_unshuffle": "PixelUnshuffle", "col2im": "Fold", "im2col": "Unfold",
    "max_unpool2d": "Unpool", "max_unpool3d": "Unpool",
}  # fmt: skip


def called(call: TorusCall) -> str:
    """Name of a layer's operator, in the words of `flatfield.network`."""
    if "convolution" in call.operator:
        return "ConvTranspose" if call["transposed"] else "Conv"
    return _NAMES.get(call.operator) or ("Resize" if call.operator in RESIZES else "Pool")


def patterned(flat: torch.Tensor, like: torch.Tensor, dims: int, pattern: str) -> tuple[torch.Tensor, Ints]:
    """Add a ramp or stripes of the example's own strength to a flat field; gives it with its periods."""
    from flatfield.probe.patterns import add_pattern  # noqa: PLC0415 - only runs beyond constants need it

    return add_pattern(flat, like, dims, pattern)
