"""Put flat weights on an existing layer, and take the constraint off again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import nn
from torch.nn.utils import parametrize

from flatfield.core import flat_projection, tap_positions
from flatfield.core.flat import Where
from flatfield.core.taps import per_axis
from flatfield.nn.flat_weight import FlatBias, FlatWeight
from flatfield.nn.subpixel import SubPixelConv


def _projection(
    taps: Sequence[np.ndarray[Any, np.dtype[np.int64]]], stride: Sequence[int], order: int, at: Where
) -> np.ndarray[Any, np.dtype[np.float64]]:
    projection = flat_projection(taps, stride, order=order, at=at)
    if np.trace(projection) < 0.5:
        sizes = tuple(len(axis) for axis in taps)
        raise ValueError(
            f"a kernel of {sizes} with stride {tuple(stride)} has no flat weights of order {order} at {at} "
            f"but zero: take a larger kernel or a lower order"
        )
    return projection


def flatten_weights(
    module: nn.Module,
    order: int = 1,
    *,
    at: Where = "points",
    scale: int | Sequence[int] | None = None,
) -> nn.Module:
    """Confine the weight of a transposed or sub-pixel convolution to the flat ones, for good; returns it.

    The weight becomes the nearest flat one (Frobenius) and stays flat through training. A plain
    convolution in front of a pixel shuffle needs the shuffle's `scale`, and has the phases of its bias
    averaged. Order 1 keeps constants flat, order 2 ramps too; `at="lines"` as `flatfield.core.flat_projection`.
    Projecting a trained layer changes what it computes: train on. Raises `ValueError` for other modules, a
    missing scale, and a kernel with no flat weights but zero. Source: the design, section 3.

    >>> layer = flatten_weights(nn.ConvTranspose1d(1, 1, 3, stride=2, bias=False))
    >>> gains = [layer.weight[0, 0, f::2].sum().item() for f in (0, 1)]
    >>> abs(gains[0] - gains[1]) < 1e-6
    True
    """
    if any(isinstance(link, FlatWeight) for link in _chain(module, "weight")):
        raise ValueError(f"{type(module).__name__} has flat weights already: bake it first")
    if isinstance(module, nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d):
        return flatten_transposed(module, module.kernel_size, module.stride, module.dilation, order=order, at=at)
    if isinstance(module, SubPixelConv):
        scale, dilation, kernel = module.scale, (1,) * module.dims, module.kernel_size
    elif isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        if scale is None:
            raise ValueError(f"{type(module).__name__} is flat for a pixel shuffle only: give its scale")
        kernel, dilation = tuple(module.kernel_size), tuple(module.dilation)
        scale = per_axis(scale, len(kernel), "scale")
    else:
        raise ValueError(f"{type(module).__name__} is neither a transposed nor a sub-pixel convolution")
    return flatten_subpixel(module, kernel, scale, dilation, order=order, at=at)


def flatten_transposed(
    module: nn.Module,
    kernel: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
    *,
    order: int = 1,
    at: Where = "points",
) -> nn.Module:
    """Confine the `weight` of any module that computes a transposed convolution (in, out / groups, *kernel).

    >>> layer = flatten_transposed(nn.ConvTranspose1d(1, 1, 4, stride=2), (4,), (2,), (1,))
    >>> len(layer.parametrizations)
    1
    """
    taps = [tap_positions(k, d) for k, d in zip(kernel, dilation, strict=True)]
    parametrize.register_parametrization(module, "weight", FlatWeight(_projection(taps, stride, order, at)))
    return module


def flatten_subpixel(
    module: nn.Module,
    kernel: Sequence[int],
    scale: Sequence[int],
    dilation: Sequence[int],
    *,
    order: int = 1,
    at: Where = "points",
) -> nn.Module:
    """Confine `weight` and `bias` of any module that computes a convolution in front of a pixel shuffle.

    >>> layer = flatten_subpixel(nn.Conv1d(1, 2, 3), (3,), (2,), (1,))
    >>> sorted(layer.parametrizations)
    ['bias', 'weight']
    """
    phases = math.prod(scale)
    weight, bias = module.get_parameter("weight"), getattr(module, "bias", None)
    if weight.shape[0] % phases:
        raise ValueError(f"{weight.shape[0]} channels can't be shuffled by {scale}: not a multiple of {phases}")
    # tap j of phase f stands at f + s d (k - 1 - j): flatfield.core.SubPixelConvolution.as_transposed
    taps = [
        (np.arange(s)[:, None] + s * d * (k - 1 - np.arange(k))).ravel()
        for s, d, k in zip(scale, dilation, kernel, strict=True)
    ]
    parametrize.register_parametrization(module, "weight", FlatWeight(_projection(taps, scale, order, at), scale))
    if bias is not None:
        parametrize.register_parametrization(module, "bias", FlatBias(phases))
    return module


def _chain(module: nn.Module, name: str) -> list[nn.Module]:
    """The parametrisations of one tensor of a module, in order."""
    if not parametrize.is_parametrized(module, name):
        return []
    chains = module.parametrizations
    assert isinstance(chains, nn.ModuleDict)
    return list(chains[name].children())


def bake(module: nn.Module) -> nn.Module:
    """Take the flat parametrisations off a module and all it contains, leaving their values; returns it.

    Afterwards the weights are plain parameters, flat now and free to leave that in training. Raises
    `ValueError` for a weight that something else parametrises too.

    >>> layer = bake(flatten_weights(nn.ConvTranspose1d(1, 1, 4, stride=2)))
    >>> sorted(layer.state_dict())
    ['bias', 'weight']
    """
    for part in list(module.modules()):
        for name in ("weight", "bias"):
            ours = [isinstance(link, FlatWeight | FlatBias) for link in _chain(part, name)]
            if any(ours) and not all(ours):
                raise ValueError(f"{type(part).__name__}.{name} has another parametrisation too: remove that first")
            if ours and all(ours):
                _own_class(part)
                parametrize.remove_parametrizations(part, name, leave_parametrized=True)
    return module


def _own_class(module: nn.Module) -> None:
    """Give a module its own copy of the class that parametrisation made for it.

    A deep copy shares that class with its original, and removing a parametrisation takes a property off the
    class: without this, baking a copy would break the original.
    """
    shared = type(module)
    own = {name: value for name, value in vars(shared).items() if name not in ("__dict__", "__weakref__")}
    module.__class__ = type(shared.__name__, shared.__bases__, own)
