"""The mixed way as a differentiable function: saves the low-resolution input and the weight, nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from flatfield.nn.ways import mixed
from flatfield.nn.ways.gpu import mix_on_gpu
from flatfield.nn.ways.layout import memory_format
from flatfield.nn.ways.terms import Axis, Plan
from flatfield.nn.ways.transposed import folded_kernel, transposed


class Mixed(torch.autograd.Function):
    """Nearest resize-convolution of a plan; `matrices` are the folded weights."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, matrices: Tensor, plan: Plan) -> Tensor:
        """Compute and save `x` and `weight`."""
        ctx.plan, ctx.layout = plan, memory_format(x, weight)
        if x.device.type != "cpu":
            return mix_on_gpu(x, weight, bias, plan.axes)
        last = ctx.layout is not torch.contiguous_format
        ctx.save_for_backward(x, weight)
        y = mixed.forward(x, matrices, bias, plan, last)
        sizes = [axis.outputs for axis in plan.axes]
        if list(y.shape[2:]) == sizes:
            return y
        return _cut(y, sizes).contiguous(memory_format=ctx.layout)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """The same products transposed; for `create_graph` by operators that differentiate again."""
        x, weight = ctx.saved_tensors
        gradient, plan = gradients[0], ctx.plan
        bias = gradient.sum(dim=(0, *range(2, gradient.dim()))) if ctx.needs_input_grad[2] else None
        if torch.is_grad_enabled() or x.device.type != "cpu":
            # create_graph=True: operators that can be differentiated again
            again = torch.is_grad_enabled()
            with torch.enable_grad():
                y = transposed(x, folded_kernel(weight, [axis.scale for axis in plan.axes]), None, plan.axes, 1)
            wanted = [t for t, need in zip((x, weight), ctx.needs_input_grad, strict=False) if need]
            found = iter(torch.autograd.grad(y, wanted, gradient, create_graph=again) if wanted else ())
            first = next(found) if ctx.needs_input_grad[0] else None
            return first, next(found, None), bias, None, None
        first, second = mixed.backward(
            _whole_cells(gradient, plan, ctx.layout),
            x,
            mixed.matrices(weight, plan),
            plan,
            ctx.layout is not torch.contiguous_format,
            wanted=(ctx.needs_input_grad[0], ctx.needs_input_grad[1]),
        )
        return first, None if second is None else mixed.taps_gradient(second, weight, plan), bias, None, None


mix: Callable[..., Tensor] = Mixed.apply
"""`Mixed` as a function of (x, weight, bias, matrices, plan)."""

ONE = Axis(kernel=1, scale=1, offset=0, inputs=1, outputs=1)
"""The second axis of 1-d: with it the only real axis is taken by terms, which is less work than sums."""


def plan_of(axes: Sequence[Axis]) -> Plan:
    """Plan a nearest resize-convolution; one axis gets a second of size 1."""
    return Plan((*axes, ONE) if len(axes) == 1 else tuple(axes))


def matrices(weight: Tensor, plan: Plan) -> Tensor:
    """Fold `weight` (out, in, *kernel) for a plan."""
    return mixed.matrices(weight.unsqueeze(-1) if weight.dim() == 3 else weight, plan)


def mix_axes(x: Tensor, weight: Tensor, bias: Tensor | None, matrices: Tensor, plan: Plan) -> Tensor:
    """Compute the nearest resize-convolution of `plan` from its `matrices`, differentiably."""
    if x.dim() == 3:
        return mix(x.unsqueeze(-1), weight.unsqueeze(-1), bias, matrices, plan).squeeze(-1)
    return mix(x, weight, bias, matrices, plan)


def _cut(y: Tensor, sizes: list[int]) -> Tensor:
    for axis, size in enumerate(sizes):
        y = y.narrow(2 + axis, 0, size)
    return y


def _whole_cells(gradient: Tensor, plan: Plan, layout: torch.memory_format) -> Tensor:
    """Lay a gradient out as the grid reads it: whole cells, in the layout of the forward pass."""
    missing = [axis.cells * axis.scale - axis.outputs for axis in plan.axes]
    if any(missing):
        gradient = F.pad(gradient, [number for m in reversed(missing) for number in (0, m)])
    return gradient.contiguous(memory_format=layout)
