"""Untouched: whatever a run does to a module is undone, also when it raises."""

from __future__ import annotations

import contextlib
from typing import Any

import torch
from torch import nn

from flatfield.readers.visit import Path, eval_mode, module_paths, tensors_in

_Buffers = dict[str, torch.Tensor | None]


class Untouched:
    """Run a module in evaluation mode and without gradients, and leave no trace of it.

    Put back afterwards: modes, buffers (which tensor and what is in it), tensors kept as plain attributes, and the
    random number generators of the CPU and of every accelerator that the module or its input lives on. `path` names
    the running module. Entered again inside, it puts back what that run has changed: several runs share one look at
    the module and see the same random numbers.

    >>> norm = nn.BatchNorm1d(2)
    >>> with Untouched(norm):
    ...     norm.running_mean.add_(1.0)
    ...     norm.training
    tensor([1., 1.])
    False
    >>> norm.running_mean, norm.training
    (tensor([0., 0.]), True)
    """

    def __init__(self, module: nn.Module, inputs: Any = ()) -> None:
        self.module = module
        self.inputs = inputs
        self.path: Path = []
        self._depth = 0
        self._stack = contextlib.ExitStack()
        self._kept: list[tuple[nn.Module, _Buffers, dict[str, torch.Tensor]]] = []
        self._values: list[tuple[torch.Tensor, torch.Tensor, int]] = []
        self._random: dict[int, torch.Tensor] = {}

    def __enter__(self) -> Untouched:
        """Look at the module, unless that has been done."""
        if self._depth == 0:
            self._look()
            self._stack.enter_context(torch.no_grad())
            self._stack.enter_context(eval_mode(self.module))
            self._stack.enter_context(module_paths(self.module, self.path))
        self._depth += 1
        return self

    def __exit__(self, *_: object) -> None:
        """Put everything back; modes and hooks at the outermost end."""
        self._depth -= 1
        try:
            self._put_back()
        finally:
            if self._depth == 0:
                self._stack.close()
                self._kept, self._values, self._random = [], [], {}

    def _look(self) -> None:
        self._kept = [(child, dict(child._buffers), _plain_tensors(child)) for child in self.module.modules()]
        buffers = {id(b): b for _, held, _ in self._kept for b in held.values() if b is not None}
        self._values = [(b, b.detach().clone(), b._version) for b in buffers.values()]
        devices = {t.device for t in (*self.module.parameters(), *tensors_in(self.inputs))}
        cards = {device.index or 0 for device in devices if device.type == "cuda"}
        self._random = {-1: torch.get_rng_state(), **{card: torch.cuda.get_rng_state(card) for card in cards}}

    def _put_back(self) -> None:
        for child, buffers, plain in self._kept:
            if buffers or child._buffers:
                child._buffers.clear()
                child._buffers.update(buffers)
            now = _plain_tensors(child)
            if now or plain:
                for name in now.keys() - plain.keys():
                    del child.__dict__[name]
                child.__dict__.update(plain)
        for place, (buffer, value, version) in enumerate(self._values):
            if buffer._version != version:
                buffer.copy_(value)
                self._values[place] = buffer, value, buffer._version
        for card, state in self._random.items():
            if card < 0:
                torch.set_rng_state(state)
            else:
                torch.cuda.set_rng_state(state, card)


def _plain_tensors(module: nn.Module) -> dict[str, torch.Tensor]:
    """Tensors a module keeps without registering them, such as a weight that a hook has computed."""
    return {name: value for name, value in vars(module).items() if isinstance(value, torch.Tensor)}
