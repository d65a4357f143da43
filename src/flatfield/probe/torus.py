"""Torus: a dispatch mode in which a network sees a plane that repeats for ever, and a flat field on it.

Operators are caught where PyTorch dispatches them, so any module works, functional calls included.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch._ops import OpOverload
from torch.utils.weak import WeakTensorKeyDictionary

from flatfield.core.taps import Ints
from flatfield.probe.extent import refuse_less_than_a_period
from flatfield.probe.flat_field import flattened, patterned, tensor_unevenness, whole_periods
from flatfield.probe.layer_kind import LAYERS, called, rank, shuffles, upsamples
from flatfield.probe.patterns import periods_of
from flatfield.probe.period import OTHER, Periods, spatial_axes
from flatfield.probe.plan import FIRST, INPUT, Plan, Step
from flatfield.probe.prefix import HEAVY, Prefix
from flatfield.probe.reach import same_factor
from flatfield.probe.statistics import NORMS, Statistics, normalised
from flatfield.probe.torus_call import TorusCall
from flatfield.probe.torus_layers import PADS
from flatfield.probe.torus_resize import RESIZES, rescaled
from flatfield.probe.torus_views import MADE, REDUCTIONS, RULES, pointwise, reduced, reshape, unknown
from flatfield.probe.unhonoured import Ledger, WindowTooSmallError
from flatfield.readers.aten_call import bind
from flatfield.readers.visit import Path, Watching, place, plain_name, tensors_in


class Torus(Watching):
    """Run operators on the torus, from the first flat tensor on; notes a `Step` for every layer."""

    def __init__(
        self,
        plan: Plan,
        statistics: Statistics,
        path: Path,
        prefix: Prefix | None = None,
        resizes: Sequence[tuple[Ints, Ints]] = (),
    ) -> None:
        Watching.__init__(self)
        self.plan = plan
        self.statistics = statistics
        self.path = path
        self.prefix = prefix or Prefix()
        self.resizes = iter(resizes)
        self.known = WeakTensorKeyDictionary()
        self.origins = WeakTensorKeyDictionary()  # positions laid out among channels -> the shape and periods they had
        self.writers = WeakTensorKeyDictionary()  # what a convolution wrote -> its name, for a shuffle behind it
        self.ledger = Ledger(lenient=not plan.size)
        self.steps: list[Step] = []
        self.begun = plan.start == INPUT
        self.start_name = ""
        self.start_size: Ints = ()
        self.upsamplers = 0
        statistics.used = 0

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
        repeats = not self.begun or self.upsamplers < self.prefix.alike
        call = TorusCall(
            func, name, operator, bind(func, args, kwargs), self.known, self.ledger, self.origins, self.prefix, repeats
        )
        frozen = self.statistics.take(call) if operator in NORMS else ()
        if not self.begun and self._begins(call):
            call = self._begin(call)
        if operator in RESIZES:
            self._compare(call)
        if not any(tensor in self.known for tensor in call.tensors()):
            result = call.run() if operator in HEAVY else func(*args, **kwargs)
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
        changes: dict[str, Any] = {key: self.field(x, tuple(range(x.dim() - dims, x.dim())), size)}
        if call.operator in RESIZES and size:
            changes["output_size"] = rescaled(call, before, size)
        return replace(call, arguments={**call.arguments, **changes}, repeats=self.upsamplers < self.prefix.alike)

    def field(self, tensor: torch.Tensor, axes: Ints, size: Ints = ()) -> torch.Tensor:
        """Make the flat field (or ramp, or stripes) nearest to a tensor, and remember that it is one."""
        self.start_size = size or tuple(tensor.shape[axis] for axis in axes)
        flat = flattened(tensor, axes, self.start_size)
        if self.plan.pattern:
            flat = patterned(flat, tensor, axes, self.plan.pattern)
        periods = dict(zip(axes, periods_of(self.plan.pattern, self.start_size), strict=True))
        self.known[flat] = tuple(periods.get(axis, OTHER) for axis in range(flat.dim()))
        return flat

    def _compare(self, call: TorusCall) -> None:
        """Refuse to enlarge by another factor than in the example."""
        before, after = next(self.resizes, ((), ()))
        outputs = tuple(call["output_size"])
        if before and not same_factor(before, after, tuple(call.first().shape[-len(outputs) :]), outputs):
            raise WindowTooSmallError("the network resizes to a size that it has fixed")

    # -- operators --------------------------------------------------------------------------------------------

    def _layer(self, call: TorusCall) -> Any:
        x = next(t for t in call.tensors() if t in self.known)
        drawing = upsamples(call)
        before = tensor_unevenness(x, call.periods(x))
        result, periods = LAYERS[call.operator](call)
        first = result[0] if isinstance(result, tuple) else result
        if self.plan.size and not self.plan.pattern:
            refuse_less_than_a_period(first, periods)
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
        first = call.first()
        if first in self.origins and rule is not reshape:
            for tensor in results:
                if tensor.shape == first.shape:
                    self.origins[tensor] = self.origins[first]
        return self._written(result, found)

    def _written(self, result: Any, found: list[Periods]) -> Any:
        for tensor, periods in zip(tensors_in(result), [*found, *found[-1:] * 8], strict=False):
            self.known[tensor] = periods if len(periods) == tensor.dim() else (OTHER,) * tensor.dim()
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
