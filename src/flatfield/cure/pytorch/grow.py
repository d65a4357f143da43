"""Grow: a transposed convolution with more taps that computes the same, so that flat weights have more freedom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import nn

from flatfield.core.taps import Ints
from flatfield.cure.planning import grown_kernel
from flatfield.network import Layer

_Transposed: TypeAlias = nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d
_CLASSES: dict[int, Callable[..., _Transposed]] = {
    1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d,
}  # fmt: skip


def can_grow(layer: nn.Module) -> bool:
    """Tell whether a module is one that `grown` takes.

    >>> can_grow(nn.ConvTranspose1d(1, 1, 3)), can_grow(nn.ConvTranspose1d(1, 1, 3, dilation=2)), can_grow(nn.ReLU())
    (True, False, False)
    """
    return type(layer) in _CLASSES.values() and set(layer.dilation) == {1}  # type: ignore[arg-type]


def kernel_for(root: nn.Module, module: nn.Module, layer: Layer) -> Ints:
    """Give the kernel that a layer of `root` is recovered with: its own where its module can't be replaced.

    A module of somebody's own, a part of an exported program, the root itself and a shared weight keep their kernel.
    """
    if layer.operator != "ConvTranspose" or module is root or not can_grow(module):
        return layer.kernel
    weight = module.get_parameter("weight")
    owners = sum(p is weight for _, p in root.named_parameters(remove_duplicate=False))
    return grown_kernel(layer) if owners == 1 else layer.kernel


@torch.no_grad()
def grown(layer: nn.Module, kernel: Sequence[int]) -> nn.Module:
    """Give a transposed convolution with taps of zero added, which computes what `layer` does.

    `a` taps in front of an axis ask for `a` more padding, and output padding grows by `a` and shrinks by the `b` taps
    behind: `(n - 1) s - 2 (p + a) + (k + a + b - 1) + (o + a - b) + 1` is the size there was. Raises `ValueError` for
    anything but PyTorch's own transposed convolutions without dilation, and for a kernel that is smaller.

    >>> layer = nn.ConvTranspose2d(2, 3, 3, stride=2, padding=1, output_padding=1)
    >>> more, x = grown(layer, (4, 4)), torch.randn(1, 2, 5, 5)
    >>> more.kernel_size, more.output_padding, torch.allclose(layer(x), more(x), atol=1e-6)
    ((4, 4), (0, 0), True)
    """
    if not can_grow(layer):
        raise ValueError(f"{type(layer).__name__} can't grow: only PyTorch's transposed convolutions without dilation")
    assert isinstance(layer, _Transposed)
    axes = [_axis(k, m, s, o) for k, m, s, o in zip(
        layer.kernel_size, kernel, layer.stride, layer.output_padding, strict=True)]  # fmt: skip
    sides = [side for pair in reversed(axes) for side in pair]
    own = tuple(int(p) for p in layer.padding)
    more = _CLASSES[len(axes)](
        layer.in_channels, layer.out_channels, tuple(kernel), layer.stride,
        tuple(p + a for p, (a, _) in zip(own, axes, strict=True)),
        tuple(o + a - b for o, (a, b) in zip(layer.output_padding, axes, strict=True)),
        layer.groups, layer.bias is not None, device="meta",
    )  # fmt: skip
    more.weight = nn.Parameter(F.pad(layer.weight, sides), layer.weight.requires_grad)
    more.bias = layer.bias
    return more.train(layer.training)


def _axis(kernel: int, wanted: int, stride: int, output_padding: int) -> tuple[int, int]:
    """Taps added in front and behind, such that the output padding becomes 0 or 1, or just less than it was."""
    total = wanted - kernel
    if total < 0:
        raise ValueError(f"a kernel of {kernel} can't grow to {wanted}: that is smaller")
    after = min(total, (total + output_padding) // 2)
    return total - after, after
