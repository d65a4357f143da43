"""Calls: which module ran which operator on whose output, while a module runs on its example."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch._ops import OpOverload
from torch.nn.modules import module as module_hooks
from torch.utils.weak import WeakTensorKeyDictionary

from flatfield.readers.aten_call import bind
from flatfield.readers.visit import Watching, eval_mode, plain_name, tensors_in


@dataclass(eq=False)
class ModuleCall:
    """One run of one module: its dotted name, what it was given and what it gave, as numbers of values."""

    name: str
    module: nn.Module
    takes: tuple[int | None, ...] = ()
    plain: bool = False
    gives: int | None = None


@dataclass(eq=False)
class Event:
    """One operator: what it is, the modules that were running (innermost last), what it read and wrote."""

    operator: str
    stack: tuple[ModuleCall, ...]
    arguments: dict[str, Any]
    reads: tuple[int, ...]
    writes: int

    @property
    def owner(self) -> ModuleCall:
        """The module that called it."""
        return self.stack[-1]


@dataclass
class Calls:
    """All events in order, and the values that the whole module gave."""

    events: list[Event] = field(default_factory=list)
    outputs: frozenset[int] = frozenset()

    def readers(self, value: int) -> list[Event]:
        """Who reads a value."""
        return [event for event in self.events if value in event.reads]

    def within(self, call: ModuleCall) -> list[Event]:
        """What ran while a module did."""
        return [event for event in self.events if call in event.stack]


def calls_of(root: nn.Module, inputs: Sequence[Any], keywords: Mapping[str, Any] | None = None) -> Calls:
    """Run a module on an example in evaluation mode and note every operator; the module is left as it was."""
    watch = _Watch(root)
    with torch.no_grad(), torch.random.fork_rng(devices=[]), eval_mode(root), watch.modules(), watch:
        result = root(*inputs, **(keywords or {}))
    return Calls(watch.events, frozenset(watch.number(tensor) for tensor in tensors_in(result)))


class _Watch(Watching):
    def __init__(self, root: nn.Module) -> None:
        Watching.__init__(self)
        self.names = {module: name for name, module in root.named_modules()}
        self.stack: list[ModuleCall] = []
        self.events: list[Event] = []
        self.numbers = WeakTensorKeyDictionary()
        self.count = 0

    def number(self, tensor: torch.Tensor) -> int:
        """The number of a value; a tensor that nobody wrote has one too."""
        if tensor not in self.numbers:
            self._renew(tensor)
        return int(self.numbers[tensor])

    def _renew(self, tensor: torch.Tensor) -> int:
        self.count += 1
        self.numbers[tensor] = self.count
        return self.count

    def __torch_dispatch__(
        self, func: OpOverload, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run the operator, then note what it read and wrote."""
        kwargs = kwargs or {}
        reads = tuple(self.number(tensor) for tensor in tensors_in((args, kwargs)))
        result = func(*args, **kwargs)
        for tensor in tensors_in(result):
            arguments = {key: value for key, value in bind(func, args, kwargs).items() if _small(value)}
            event = Event(plain_name(func), tuple(self.stack), arguments, reads, self._renew(tensor))
            self.events.append(event)
        return result

    @contextlib.contextmanager
    def modules(self) -> Iterator[None]:
        """Know which modules are running, through hooks that are PyTorch's, not the module's."""

        def enter(module: nn.Module, _: Any) -> None:
            self.stack.append(ModuleCall(self.names.get(module, "?"), module))

        def leave(module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
            call = self.stack.pop()
            given = [*args, *kwargs.values()]
            call.takes = tuple(self.number(g) if isinstance(g, torch.Tensor) else None for g in given)
            call.plain = sum(g is not None for g in given) == 1 and bool(args)
            call.gives = self.number(output) if isinstance(output, torch.Tensor) else None

        first = module_hooks.register_module_forward_pre_hook(enter)
        last = module_hooks.register_module_forward_hook(leave, with_kwargs=True)
        try:
            yield
        finally:
            first.remove()
            last.remove()


def _small(value: Any) -> bool:
    """Settings are kept; tensors are not, or every one of them would stay in memory."""
    return not any(True for _ in tensors_in(value))
