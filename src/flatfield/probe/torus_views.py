"""Operators that leave positions where they are: how the periods of their results follow, a literal table."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from flatfield.probe.flat_field import whole_periods
from flatfield.probe.period import COPY, MIXED, OTHER, Periods, after_downsampling, reshaped
from flatfield.probe.torus_call import TorusCall
from flatfield.readers.visit import tensors_in

Rule = Callable[[TorusCall, list[torch.Tensor]], list[Periods]]


def pointwise(call: TorusCall, results: list[torch.Tensor]) -> list[Periods]:
    """Every operand at the same position."""
    operands = list(call.tensors())
    return [call.meet(operands, result.shape) for result in results]


def same(call: TorusCall, results: list[torch.Tensor]) -> list[Periods]:
    """A copy, or a function of each position's channels."""
    first = call.periods(call.first())
    return [first if len(first) == result.dim() else (OTHER,) * result.dim() for result in results]


def reshape(call: TorusCall, results: list[torch.Tensor]) -> list[Periods]:
    """`view`, `reshape`, `flatten`."""
    x = call.first()
    before, after = tuple(x.shape), tuple(results[0].shape)
    origin = call.origins.get(x) if call.origins is not None else None
    if origin is not None and origin[0] == after:
        return [origin[1]]
    periods, _ = reshaped(call.periods(x), before, after)
    if MIXED in periods and call.origins is not None:
        call.origins[results[0]] = origin or (before, call.periods(x))
        if results[0].dim() < 3 and any(p > 1 for p in call.periods(x)):
            call.note("lays positions out as channels: whatever follows knows where each one is")
    return [periods]


def permute(call: TorusCall, results: list[torch.Tensor]) -> list[Periods]:
    """`permute`, `transpose`, `t`."""
    periods = call.periods(call.first())
    rank = len(periods)
    order = list(range(rank))
    if "dims" in call.arguments:
        order = [axis % rank for axis in call["dims"]]
    elif "dim0" in call.arguments:
        a, b = call["dim0"] % rank, call["dim1"] % rank
        order[a], order[b] = b, a
    else:
        order.reverse()
    return [tuple(periods[axis] for axis in order)]


def unsqueeze(call: TorusCall, results: list[torch.Tensor]) -> list[Periods]:
    """`unsqueeze`: an axis of one entry."""
    axis, periods = call.axis(extra=1), call.periods(call.first())
    return [(*periods[:axis], OTHER, *periods[axis:])]


def squeeze(call: TorusCall, results: list[torch.Tensor]) -> list[Periods]:
    """`squeeze`: axes of one entry go."""
    x, listed = call.first(), call.arguments.get("dim")
    every = range(x.dim()) if listed is None else [listed] if isinstance(listed, int) else listed
    gone = {axis % x.dim() for axis in every if x.shape[axis] == 1}
    return [tuple(p for axis, p in enumerate(call.periods(x)) if axis not in gone)]


def expand(call: TorusCall, results: list[torch.Tensor]) -> list[Periods]:
    """`expand`: copies of the only entry of an axis."""
    x, periods = call.first(), call.periods(call.first())
    new = results[0].dim() - x.dim()
    grown = [COPY if n == 1 and m > 1 and p <= 0 else p
             for n, m, p in zip(x.shape, results[0].shape[new:], periods, strict=True)]  # fmt: skip
    return [(*(COPY,) * new, *grown)]


def repeat(call: TorusCall, results: list[torch.Tensor]) -> list[Periods]:
    """`repeat`: the whole window again, and again."""
    x = call.first()
    old = ((OTHER,) * (results[0].dim() - x.dim()), call.periods(x))
    sizes = (*(1,) * len(old[0]), *x.shape)
    return [tuple(p if p <= 0 or n % p == 0 else n for p, n in zip((*old[0], *old[1]), sizes, strict=True))]


def sliced(call: TorusCall, results: list[torch.Tensor]) -> list[Periods]:
    """`slice`: cropping, or every step-th entry."""
    axis, periods = call.axis(), list(call.periods(call.first()))
    periods[axis] = after_downsampling(periods[axis], call.arguments.get("step") or 1)
    return [tuple(periods)]


def dropped(call: TorusCall, results: list[torch.Tensor]) -> list[Periods]:
    """`select`, `unbind`: one entry of an axis."""
    axis, periods = call.axis(), call.periods(call.first())
    return [(*periods[:axis], *periods[axis + 1 :])] * len(results)


def joined(call: TorusCall, results: list[torch.Tensor]) -> list[Periods]:
    """`cat`: along channels operands meet; along positions the plane ends where one operand does."""
    operands = [t for t in call["tensors"] if t.dim() == results[0].dim()]
    axis = int(call["dim"]) % results[0].dim()
    if any(call.periods(t)[axis] > 0 for t in operands):
        call.note("joins tensors along positions")
    shape = [1 if i == axis else n for i, n in enumerate(results[0].shape)]
    parts = [t if t in call.known else t.narrow(axis, 0, 1) for t in operands if t.shape[axis]]
    periods = list(call.meet(parts, shape))
    if periods[axis] > 0:
        periods[axis] = results[0].shape[axis]
    return [tuple(periods)]


def stacked(call: TorusCall, results: list[torch.Tensor]) -> list[Periods]:
    """`stack`: a new axis."""
    axis = int(call["dim"]) % results[0].dim()
    shape = [n for i, n in enumerate(results[0].shape) if i != axis]
    periods = call.meet(call["tensors"], shape)
    return [(*periods[:axis], OTHER, *periods[axis:])]


def windowed(call: TorusCall, results: list[torch.Tensor]) -> list[Periods]:
    """`Tensor.unfold`: windows along an axis as an axis of their own."""
    x = call.first()
    axis, periods = int(call["dimension"]) % x.dim(), list(call.periods(x))
    periods[axis] = after_downsampling(periods[axis], call["step"])
    return [(*periods, OTHER)]


def product(call: TorusCall, results: list[torch.Tensor]) -> list[Periods]:
    """`mm`, `bmm`, `addmm`: rows of the left side, columns of the right one."""
    left, right = list(call.tensors())[-2:]
    rows, columns = call.periods(left), call.periods(right)
    inner = (rows[-1], columns[-2] if len(columns) > 1 else columns[-1])
    if max(inner) > 1 and min(inner) <= 0:
        call.note("weighs every position by its own number: it knows absolute positions")
    if results[0].dim() < 2:
        return [(*rows[:-1], *columns[:-2])[: results[0].dim()]]
    lead = tuple(max(a, b) for a, b in zip(rows[:-2], columns[:-2], strict=False)) if len(rows) > 2 else ()
    return [(*lead, rows[-2] if len(rows) > 1 else OTHER, columns[-1])]


def attention(call: TorusCall, results: list[torch.Tensor]) -> list[Periods]:
    """Scaled dot products: a result for every query."""
    query = call.periods(call.first())
    return [(*query[:-1], OTHER), *((OTHER,) * r.dim() for r in results[1:])]


def reduced(call: TorusCall) -> tuple[Any, list[Periods]]:
    """A reduction: over whole periods, so that no phase weighs more than another."""
    x = call.first()
    periods = call.periods(x)
    axes, behind = left_over(call, x)
    whole = whole_periods(x, tuple(p if axis in axes else OTHER for axis, p in enumerate(periods)))
    name = next(key for key, value in call.arguments.items() if value is x)
    result = call.run(**{name: whole})
    if "sum" in call.operator and whole is not x:
        result = result * (math.prod(x.shape) / math.prod(whole.shape))
    return result, [behind for _ in tensors_in(result)]


def left_over(call: TorusCall, x: torch.Tensor) -> tuple[set[int], Periods]:
    """The axes that a reduction sums up, and the periods of what it leaves."""
    periods, listed = call.periods(x), call.arguments.get("dim")
    over = range(x.dim()) if listed in (None, []) else [listed] if isinstance(listed, int) else listed
    axes = {axis % max(1, x.dim()) for axis in over}
    kept = bool(call.arguments.get("keepdim"))
    return axes, tuple(1 if a in axes and p > 0 else p for a, p in enumerate(periods) if kept or a not in axes)


def along(call: TorusCall, results: list[torch.Tensor]) -> list[Periods]:
    """Cumulative sums, sorting, turning round: harmless along channels, not along positions."""
    x, listed = call.first(), call.arguments.get("dim", call.arguments.get("dims", -1))
    axes = [listed] if isinstance(listed, int) else list(listed or range(x.dim()))
    if any(call.periods(x)[axis] > 0 for axis in axes):
        call.note("works along positions from one end to the other")
    return same(call, results)


def unknown(call: TorusCall, results: list[torch.Tensor]) -> list[Periods]:
    """Anything else: run as it is and listed; a result of the same shape keeps its positions."""
    call.note("not understood: run as it is")
    x = next(t for t in call.tensors() if t in call.known)
    return [
        tuple(n if p > 0 else p for n, p in zip(x.shape, call.periods(x), strict=True))
        if r.shape == x.shape
        else (OTHER,) * r.dim()
        for r in results
    ]


def _each(rule: Any, *names: str) -> dict[str, Any]:
    return dict.fromkeys(names, rule)


RULES: dict[str, Rule] = {
    **_each(same, "clone", "contiguous", "_to_copy", "detach", "alias", "lift_fresh", "view_as", "split",
            "split_with_sizes", "chunk", "unsafe_split", "unsafe_chunk", "tensor_split", "glu", "_softmax",
            "_log_softmax", "_safe_softmax", "native_dropout", "native_layer_norm", "_fused_rms_norm",
            "channel_shuffle", "native_channel_shuffle", "native_group_norm", "native_batch_norm",
            "_native_batch_norm_legit", "_native_batch_norm_legit_no_training", "_batch_norm_with_update",
            "cudnn_batch_norm", "miopen_batch_norm", "fill", "zero"),
    **_each(pointwise, "where", "masked_fill", "_prelu_kernel", "rrelu_with_noise", "nan_to_num"),
    **_each(reshape, "view", "_unsafe_view", "reshape", "_reshape_alias", "flatten", "unflatten", "view_copy"),
    **_each(permute, "permute", "transpose", "t", "numpy_T"),
    **_each(unsqueeze, "unsqueeze"),
    **_each(squeeze, "squeeze"),
    **_each(expand, "expand"),
    **_each(repeat, "repeat"),
    **_each(sliced, "slice"),
    **_each(dropped, "select", "unbind"),
    **_each(joined, "cat", "concat"),
    **_each(stacked, "stack"),
    **_each(windowed, "unfold"),
    **_each(product, "mm", "bmm", "addmm", "baddbmm", "matmul", "mv", "dot"),
    **_each(attention, "_scaled_dot_product_flash_attention_for_cpu", "_scaled_dot_product_flash_attention",
            "_scaled_dot_product_efficient_attention", "_scaled_dot_product_cudnn_attention",
            "_scaled_dot_product_attention_math", "_scaled_dot_product_fused_attention_overrideable"),
    **_each(along, "cumsum", "cumprod", "logcumsumexp", "flip", "sort", "topk", "roll"),
}  # fmt: skip
REDUCTIONS = frozenset(
    ("mean", "sum", "amax", "amin", "logsumexp", "std", "var", "var_mean", "std_mean", "linalg_vector_norm", "norm",
     "max", "min", "any", "all", "argmax", "argmin", "aminmax", "prod")
)  # fmt: skip
MADE = frozenset(
    ("new_empty", "new_zeros", "new_ones", "new_full", "new_empty_strided", "empty_like", "zeros_like", "ones_like",
     "full_like", "rand_like", "randn_like", "randint_like", "bernoulli", "_local_scalar_dense", "sym_size",
     "is_same_size")
)  # fmt: skip
"""Operators that take a shape, a type or one number from a tensor, and no positions."""

__all__ = ["MADE", "REDUCTIONS", "RULES", "left_over", "pointwise", "unknown"]
