"""Untouched: whatever a run does to a module is undone, also when it raises."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from flatfield.readers.visit import eval_mode, tensors_in


@contextlib.contextmanager
def untouched(module: nn.Module, inputs: Any = ()) -> Iterator[None]:
    """Run a module in evaluation mode and without gradients, and leave no trace of it.

    Put back afterwards: modes, buffers (which tensor and what is in it), tensors kept as plain attributes, and the
    random number generators of the CPU and of every accelerator that the module or its input lives on.

    >>> norm = nn.BatchNorm1d(2)
    >>> with untouched(norm):
    ...     norm.running_mean.add_(1.0)
    ...     norm.training
    tensor([1., 1.])
    False
    >>> norm.running_mean, norm.training
    (tensor([0., 0.]), True)
    """
    devices = sorted(
        {t.device.index or 0 for t in (*module.parameters(), *tensors_in(inputs)) if t.device.type == "cuda"}
    )
    kept = [(child, dict(child._buffers), _plain_tensors(child)) for child in module.modules()]
    values = {
        id(b): (b, b.detach().clone(), b._version) for _, buffers, _ in kept for b in buffers.values() if b is not None
    }
    with torch.no_grad(), torch.random.fork_rng(devices=devices), eval_mode(module):
        try:
            yield
        finally:
            for child, buffers, plain in kept:
                child._buffers.clear()
                child._buffers.update(buffers)
                for name in _plain_tensors(child).keys() - plain.keys():
                    del child.__dict__[name]
                child.__dict__.update(plain)
            for buffer, value, version in values.values():
                if buffer._version != version:
                    buffer.copy_(value)


def _plain_tensors(module: nn.Module) -> dict[str, torch.Tensor]:
    """Tensors a module keeps without registering them, such as a weight that a hook has computed."""
    return {name: value for name, value in vars(module).items() if isinstance(value, torch.Tensor)}
