"""Read a PyTorch module: run it once and note every operator that PyTorch dispatches.

Nothing needs to be symbolically traceable, and functional calls are seen like modules. The module is left as it
was: its modes are put back, its buffers are not written (it runs in eval mode), no hook stays on it, and the
random number generators stand where they stood.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch._ops import OpOverload
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.weak import WeakTensorKeyDictionary

from flatfield.network import Network
from flatfield.readers.aten_call import Call, bind
from flatfield.readers.aten_layers import LAYERS
from flatfield.readers.aten_lookups import unknown
from flatfield.readers.aten_neutral import NEUTRAL
from flatfield.readers.canvas import Canvas
from flatfield.readers.trace import Trace, Value
from flatfield.readers.untouched import Untouched
from flatfield.readers.visit import Path, Watching, map_tensors, place, plain_name, tensors_in


def read_module(
    module: nn.Module,
    inputs: Sequence[Any],
    *,
    keywords: Mapping[str, Any] | None = None,
    target: str = "",
    fake: bool = False,
) -> Network:
    """Read the layers that `module(*inputs, **keywords)` runs through.

    With `fake=True` nothing is computed: tensors have shapes only, so a model larger than the machine can be
    read; weights that are parameters keep their numbers. Whatever the module raises, it raises here.

    >>> network = read_module(nn.ConvTranspose2d(1, 1, 3, stride=2), (torch.zeros(1, 1, 4, 4),))
    >>> [(layer.operator, layer.kernel, layer.stride) for layer in network.layers]
    [('ConvTranspose', (3, 3), (2, 2))]
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"a {type(module).__name__} is no nn.Module: give a module, or a target such as 'model.onnx'")
    recorder = Recorder()
    with contextlib.ExitStack() as stack:
        recorder.path = stack.enter_context(Untouched(module, (inputs, keywords))).path
        if fake:
            mode = stack.enter_context(FakeTensorMode(allow_non_fake_inputs=True))
            inputs, keywords = map_tensors((tuple(inputs), dict(keywords or {})), mode.from_tensor)
        tensors = list(tensors_in((inputs, keywords)))
        for tensor in tensors:
            recorder.values[tensor] = recorder.trace.input(tuple(tensor.shape))
        stack.enter_context(recorder)
        result = module(*inputs, **(keywords or {}))
    outputs = [recorder.value_of(tensor) for tensor in tensors_in(result)]
    return recorder.trace.network(target, [tuple(tensor.shape) for tensor in tensors], outputs)


class Recorder(Watching):
    """A dispatch mode that writes each operator into a trace."""

    def __init__(self) -> None:
        Watching.__init__(self)
        self.trace = Trace()
        self.values = WeakTensorKeyDictionary()
        self.path: Path = []
        self.canvas = Canvas(self.trace, self.values)

    def __torch_dispatch__(
        self, func: OpOverload, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run the operator, then note what it did."""
        kwargs = kwargs or {}
        known = plain_name(func) in LAYERS or plain_name(func) in NEUTRAL
        if not known and func.namespace != "prim" and torch.Tag.pointwise not in func.tags:
            with self:  # operators made of others arrive whole under inference_mode
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        before = {id(tensor): self.value_of(tensor) for tensor in tensors_in((args, kwargs))}
        result = func(*args, **kwargs)
        self._note(func, bind(func, args, kwargs), result, before)
        return result

    def value_of(self, tensor: torch.Tensor) -> Value:
        """The value of a tensor; one that no operator wrote is a constant."""
        if tensor not in self.values:
            self.values[tensor] = self.trace.constant(tuple(tensor.shape))
        value: Value = self.values[tensor]
        return value

    def _note(self, func: OpOverload, arguments: dict[str, Any], result: Any, before: dict[int, Value]) -> None:
        tensors = list(tensors_in(result))
        if not tensors:
            return
        operator = plain_name(func)
        sizes = tuple(tuple(int(n) for n in tensor.shape) for tensor in tensors)
        call = Call(self.trace, func, place(self.path, operator), arguments, sizes, lambda t: before[id(t)])
        if operator in LAYERS:
            values: Value | list[Value] = LAYERS[operator](call)
        elif operator in NEUTRAL:
            values = NEUTRAL[operator](call)
        elif torch.Tag.pointwise in func.tags:
            values = NEUTRAL["where"](call)
        else:
            values = unknown(call)
        named = values if isinstance(values, list) else [values]
        rest = [self.trace.constant(size) for size in sizes[len(named) :]]
        for tensor, value in zip(tensors, [*named, *rest], strict=False):
            self.values[tensor] = value
        if operator in ("slice", "select"):
            self.canvas.viewed(tensors[0], arguments, named[0])
        elif _writes(func):
            self.canvas.written(call.name, tensors[0], named[0], arguments["src"] if operator == "copy" else None)


def _writes(func: OpOverload) -> bool:
    """True for an operator in place: its result is its first argument."""
    first = func._schema.arguments[:1]
    return any(argument.alias_info is not None and argument.alias_info.is_write for argument in first)
