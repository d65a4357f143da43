"""The long way: the network as PyTorch runs it, on a field so large that the middle never hears of the borders."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn
from torch.nn.modules.instancenorm import _InstanceNorm

from flatfield.examples import Example, load

MARGIN = {1: 24, 2: 14, 3: 5}  # inputs of the first flat layer on each side of the middle
MIDDLE = {1: 8, 2: 8, 3: 2}


def in_float64(name: str, seed: int = 0) -> tuple[nn.Module, tuple[torch.Tensor, ...]]:
    example: Example = load(name, seed)
    return copy.deepcopy(example.module).double(), tuple(x.double() for x in example.inputs)


def freeze_instances(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
    """Make every instance normalisation divide by what it finds in the example, for good."""

    def freeze(norm: nn.Module, arguments: Any, _: Any) -> None:
        x = arguments[0]
        space = tuple(range(2, x.dim()))
        norm.mean, norm.scale = (
            x.mean(space, keepdim=True),
            (x.var(space, keepdim=True, correction=0) + norm.eps).rsqrt(),
        )

    norms = [m for m in module.modules() if isinstance(m, _InstanceNorm)]
    hooks = [norm.register_forward_hook(freeze) for norm in norms]
    with torch.no_grad():
        module(*inputs)
    for hook in hooks:
        hook.remove()
    for norm in norms:
        norm.forward = lambda x, norm=norm: (x - norm.mean) * norm.scale  # type: ignore[method-assign]


def middle_of_a_large_field(
    module: nn.Module, inputs: tuple[torch.Tensor, ...], flat_module: nn.Module | None, least: int
) -> torch.Tensor:
    """One stretch of the output, `MIDDLE` positions of the flat field wide, in phase with position 0.

    The flat field goes into `flat_module` (None: into the network) in place of what the example brings there.
    """

    def large(x: torch.Tensor) -> torch.Tensor:
        dims = x.dim() - 2
        n = (2 * MARGIN[dims] + MIDDLE[dims]) * least
        return x.mean(tuple(range(2, x.dim())), keepdim=True).expand(*x.shape[:2], *(n,) * dims)

    hook = None
    if flat_module is None:
        inputs = tuple(large(x) for x in inputs)
    else:
        hook = flat_module.register_forward_pre_hook(lambda _, arguments: (large(arguments[0]),))
    with torch.no_grad():
        result = module(*inputs)
    if hook is not None:
        hook.remove()
    dims = result.dim() - 2
    for axis in range(2, result.dim()):
        one = result.shape[axis] // (2 * MARGIN[dims] + MIDDLE[dims])
        result = result.narrow(axis, MARGIN[dims] * one, MIDDLE[dims] * one)
    assert isinstance(result, torch.Tensor)
    return result
