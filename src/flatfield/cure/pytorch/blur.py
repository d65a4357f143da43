"""Blur: strided convolutions and max pools get a blur, so that their gradients have no grid."""

from __future__ import annotations

from torch import nn

from flatfield.cure.examples import Examples, Progress
from flatfield.cure.pytorch.flatten import copied
from flatfield.cure.pytorch.found import Found, find, put
from flatfield.cure_report import CurePlan
from flatfield.nn import BlurConv1d, BlurConv2d, BlurConv3d, MaxBlurPool1d, MaxBlurPool2d, MaxBlurPool3d

_CONVOLUTION = {1: BlurConv1d, 2: BlurConv2d, 3: BlurConv3d}
_POOL = {1: MaxBlurPool1d, 2: MaxBlurPool2d, 3: MaxBlurPool3d}


def blur(
    plan: CurePlan, module: nn.Module, examples: Examples, progress: Progress
) -> tuple[nn.Module, tuple[str, ...]]:
    """Blur in front of every strided convolution of the plan, and behind every max pool, on a copy.

    Weights stay as they are. Raises `ValueError` for a layer that can't be replaced. Source: Zhang 2019.
    """
    cured = copied(module)
    places = find(plan, cured, examples)
    for place, found in enumerate(places):
        progress("blurring", place, len(places))
        new = _pool(found) if found.layer.operator == "Pool" else _convolution(found)
        if found.module is cured:
            cured = new
        else:
            put(cured, found.module, new)
    progress("blurring", len(places), len(places))
    return cured, ()


def _convolution(found: Found) -> nn.Module:
    conv = found.module
    assert isinstance(conv, nn.Conv1d | nn.Conv2d | nn.Conv3d)
    padding = conv.padding if isinstance(conv.padding, str) else tuple(conv.padding)
    new = _CONVOLUTION[found.layer.dims](
        conv.in_channels, conv.out_channels, tuple(conv.kernel_size), tuple(conv.stride), padding,
        tuple(conv.dilation), conv.groups, conv.bias is not None, conv.padding_mode, device="meta",
    )  # fmt: skip
    new.register_parameter("weight", conv._parameters["weight"])
    new.register_parameter("bias", conv._parameters["bias"])
    return new.train(conv.training)


def _pool(found: Found) -> nn.Module:
    pool = found.module
    assert isinstance(pool, nn.MaxPool1d | nn.MaxPool2d | nn.MaxPool3d)
    new = _POOL[found.layer.dims](pool.kernel_size, pool.stride, pool.padding)
    return new.train(pool.training)
