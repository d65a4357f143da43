"""PyTorch's operators that leave positions where they are: a literal table, operator -> handler."""

from __future__ import annotations

from collections.abc import Callable

import torch

from flatfield.readers import axes as ax
from flatfield.readers.aten_call import Call, weight_of
from flatfield.readers.aten_lookups import LOOKUPS
from flatfield.readers.trace import Value

Handler = Callable[[Call], Value | list[Value]]


def elementwise(call: Call) -> Value:
    """Any pointwise operator: one moving operand keeps the memory of who wrote its channels.

    A constant that is added is a bias: it leaves the writer's weights what they are; one that multiplies does not.
    """
    operands = call.values()
    alone = call.operator in ("add", "sub") or all(v.shape in ((), (1,)) for v in operands[1:])
    return call.trace.neutral(call.operator, operands, call.sizes[0], keeps_writer=alone)


def copied(call: Call) -> Value:
    """`copy_`: what stood in the target is gone."""
    return call.trace.neutral("copy", [call.value("src")], call.sizes[0])


def same(call: Call) -> Value:
    """A copy: nothing changes."""
    value = call.values()[0]
    return value if value.shape == call.sizes[0] else elementwise(call)


def normalised(call: Call) -> list[Value]:
    """A normalisation: channels are mixed with statistics; the first result has the input's axes."""
    first = call.trace.neutral(call.operator, call.values()[:1], call.sizes[0])
    return [first, *(call.trace.constant(sizes) for sizes in call.sizes[1:])]


def reshaped(call: Call) -> Value:
    """`view`, `reshape`, `squeeze`, `unsqueeze` and their kin."""
    value = call.values()[0]
    return call.trace.rearranged(call.operator, value, ax.reshape(value.axes, call.sizes[0]), call.sizes[0])


def permuted(call: Call) -> Value:
    """`permute`, `transpose`, `t`, `movedim`."""
    value = call.values()[0]
    rank = len(value.axes)
    if "dims" in call.arguments:
        order = [place % rank for place in call["dims"]]
    else:
        order = list(range(rank))
        first, second = (call["dim0"] % rank, call["dim1"] % rank) if "dim0" in call.arguments else (0, rank - 1)
        order[first], order[second] = order[second], order[first]
    return call.trace.rearranged(call.operator, value, tuple(value.axes[i] for i in order), call.sizes[0])


def turned(call: Call) -> Value:
    """`rot90`: two axes change places with every odd turn."""
    value = call.value("self")
    first, second = (place % len(value.axes) for place in call["dims"])
    axes = list(value.axes)
    if call["k"] % 2:
        axes[first], axes[second] = axes[second], axes[first]
    return call.trace.rearranged(call.operator, value, tuple(axes), call.sizes[0])


def expanded(call: Call) -> Value:
    """`expand`, `repeat`: entries are copied."""
    return call.trace.expanded(call.operator, call.value("self"), call.sizes[0])


def reduced(call: Call) -> Value:
    """A reduction over the axes in `dim`."""
    value, over = call.value("self"), call.arguments.get("dim")
    axes = range(len(value.axes)) if over in (None, []) else [over] if isinstance(over, int) else over
    keep = bool(call.arguments.get("keepdim"))
    return call.trace.reduced(call.operator, value, axes, keep=keep)


def reduced_with_places(call: Call) -> list[Value]:
    """A reduction that also says where: both results have the same axes."""
    value = reduced(call)
    return [value for _ in call.sizes]


def sliced(call: Call) -> Value:
    """`slice`: cropping, or every step-th entry."""
    value, axis = call.value("self"), call["dim"] % len(call.value("self").axes)
    if value.shape == call.sizes[0]:
        return value
    return call.trace.strided(call.operator, value, axis, call["step"] or 1, call.sizes[0], name=call.name)


def parted(call: Call) -> list[Value]:
    """`split`, `chunk`: an axis cut in pieces."""
    value, axis = call.value("self"), call["dim"] % len(call.value("self").axes)
    return [call.trace.resized_axis(call.operator, [value], axis, sizes) for sizes in call.sizes]


def unbound(call: Call) -> list[Value]:
    """`unbind`: an axis cut into its entries."""
    value = call.value("self")
    return [call.trace.dropped_axis(call.operator, value, call["dim"] % len(value.axes)) for _ in call.sizes]


def selected(call: Call) -> Value:
    """`select`: one entry of an axis."""
    value = call.value("self")
    return call.trace.dropped_axis(call.operator, value, call["dim"] % len(value.axes))


def joined(call: Call) -> Value:
    """`cat`: operands one after the other."""
    operands = [value for value in call.values("tensors") if len(value.axes) == len(call.sizes[0])]
    return call.trace.resized_axis(call.operator, operands, call["dim"] % len(call.sizes[0]), call.sizes[0])


def stacked(call: Call) -> Value:
    """`stack`: operands along a new axis."""
    place = call["dim"] % len(call.sizes[0])
    return call.trace.added_axis(call.operator, call.values("tensors"), place, call.sizes[0][place])


def product(call: Call) -> Value:
    """`mm`, `bmm`, `addmm`, `matmul`: a linear layer where one side is a parameter, attention where none is."""
    tensors = [t for t in call.arguments.values() if isinstance(t, torch.Tensor)][-2:]
    left, right = (call.value_of(tensor) for tensor in tensors)
    if min(len(left.axes), len(right.axes)) < 2:
        return call.trace.opaque(call.name, call.operator, [left, right], call.sizes[0])
    if right.constant and not left.constant:
        if tensors[1].dim() != 2:
            return call.trace.mixed_columns(call.operator, left, call.sizes[0])
        weight = weight_of(tensors[1].transpose(-2, -1))
        bias = call.weight("self") if call.operator == "addmm" else None
        return call.trace.linear(call.name, left, weight, bias, shape=(tensors[1].shape[1], tensors[1].shape[0]))
    if left.constant and not right.constant:
        return call.trace.mixed_rows(call.operator, right, call.sizes[0])
    return call.trace.product(call.operator, left, right, call.sizes[0])


def distances(call: Call) -> Value:
    """`cdist`: the rows of one by the rows of the other."""
    left, right = call.value("x1"), call.value("x2")
    columns = Value((*right.axes[:-2], right.axes[-1], right.axes[-2]), right.sources, right.between)
    return call.trace.product(call.operator, left, columns, call.sizes[0])


def attention(call: Call) -> list[Value]:
    """Scaled dot products: the rows of the query, the columns of the value."""
    query, values = call.value("query"), call.value("value")
    first = call.trace.product(call.operator, query, values, call.sizes[0])
    return [first, *(call.trace.constant(sizes) for sizes in call.sizes[1:])]


def made(call: Call) -> Value:
    """`new_empty`, `randn_like` and their kin take a shape from a tensor, and nothing else."""
    return call.trace.constant(call.sizes[0])


def recurrent(call: Call) -> list[Value]:
    """A recurrent layer: rows stay, channels are new."""
    value = call.values()[0]
    first = call.trace.added_axis(call.operator, [value], len(value.axes) - 1, call.sizes[0][-1])
    first = call.trace.dropped_axis(call.operator, first, len(first.axes) - 1)
    return [first, *(call.trace.constant(sizes) for sizes in call.sizes[1:])]


def as_real(call: Call) -> Value:
    """`view_as_real`: a last axis of real and imaginary part."""
    value = call.value("self")
    return call.trace.added_axis(call.operator, [value], len(value.axes), 2)


def as_complex(call: Call) -> Value:
    """`view_as_complex`: the last axis is one number."""
    value = call.value("self")
    return call.trace.dropped_axis(call.operator, value, len(value.axes) - 1)


def _each(handler: Handler, *names: str) -> dict[str, Handler]:
    return dict.fromkeys(names, handler)


NEUTRAL: dict[str, Handler] = {
    **_each(same, "clone", "contiguous", "_to_copy", "detach", "alias", "lift_fresh", "lift_fresh_copy", "view_as",
            "_conj", "resolve_conj", "resolve_neg", "real", "imag"),
    **_each(elementwise, "_softmax", "_log_softmax", "cumsum", "cumprod", "logcumsumexp", "flip", "roll", "where",
            "native_dropout", "channel_shuffle", "native_channel_shuffle", "fill", "masked_fill", "rrelu_with_noise",
            "_weight_norm_interface", "triu", "tril", "glu", "_prelu_kernel", "sort", "constant", "nan_to_num",
            "hardswish", "log_sigmoid_forward", "complex", "polar", "floor_divide", "linalg_cross", "renorm",
            "bucketize", "cummax", "cummin", "fake_quantize_per_tensor_affine_cachemask",
            "fake_quantize_per_channel_affine_cachemask",
            "zero", "bernoulli", "normal_functional", "_safe_softmax", "view_dtype"),
    **_each(copied, "copy"),
    **_each(normalised, "native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_no_training",
            "_batch_norm_with_update", "native_group_norm", "native_layer_norm", "_fused_rms_norm",
            "cudnn_batch_norm", "miopen_batch_norm"),
    **_each(reshaped, "view", "_unsafe_view", "reshape", "_reshape_alias", "squeeze", "unsqueeze", "flatten",
            "unflatten", "_reshape_copy", "view_copy"),
    **_each(permuted, "permute", "transpose", "t", "numpy_T", "swapaxes", "movedim"),
    **_each(expanded, "expand", "repeat"),
    **_each(reduced, "mean", "sum", "amax", "amin", "prod", "logsumexp", "std", "var", "linalg_vector_norm", "norm",
            "any", "all", "argmax", "argmin", "nansum"),
    **_each(reduced_with_places, "max", "min", "var_mean", "std_mean", "median", "nanmedian", "aminmax", "mode",
            "kthvalue"),
    **_each(sliced, "slice"),
    **_each(parted, "split", "split_with_sizes", "chunk", "unsafe_split", "unsafe_chunk", "tensor_split"),
    **_each(unbound, "unbind"),
    **_each(selected, "select"),
    **_each(joined, "cat", "concat"),
    **_each(stacked, "stack"),
    **_each(turned, "rot90"),
    **_each(distances, "_cdist_forward", "_euclidean_dist"),
    **_each(product, "mm", "bmm", "addmm", "baddbmm", "matmul"),
    **_each(attention, "_scaled_dot_product_flash_attention_for_cpu", "_scaled_dot_product_flash_attention",
            "_scaled_dot_product_efficient_attention", "_scaled_dot_product_cudnn_attention",
            "_scaled_dot_product_attention_math", "scaled_dot_product_attention",
            "_scaled_dot_product_fused_attention_overrideable"),
    **_each(made, "new_empty", "new_zeros", "new_ones", "new_full", "new_empty_strided", "empty_like", "zeros_like",
            "ones_like", "full_like", "rand_like", "randn_like", "randint_like"),
    **_each(recurrent, "_native_multi_head_attention", "_transformer_encoder_layer_fwd",
            "mkldnn_rnn_layer", "lstm", "gru", "rnn_tanh", "rnn_relu", "_cudnn_rnn"),
    **_each(as_real, "view_as_real"),
    **_each(as_complex, "view_as_complex"),
    **LOOKUPS,
}  # fmt: skip
