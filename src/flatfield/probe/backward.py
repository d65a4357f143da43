"""Backward: a dispatch mode for gradients on the torus; a flat gradient meets no borders on its way to the input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch._ops import OpOverload

from flatfield.core.taps import Ints
from flatfield.probe.extent import extended
from flatfield.probe.flat_field import flattened
from flatfield.probe.reach import gather_sides, spread_sides, times
from flatfield.probe.torus_call import numbers, pairs_of
from flatfield.probe.torus_layers import cropped
from flatfield.readers.aten_call import bind
from flatfield.readers.visit import Watching, plain_name


class Backward(Watching):
    """Run forwards and, once `returning`, backwards with every window a whole torus.

    A layer with padding, and any padding by itself, runs on the plane continued: what it reads is wrapped round. Its
    gradient, too: what it would send into the margins is folded back to where the margins were copied from, which is
    the adjoint.
    """

    def __init__(self) -> None:
        Watching.__init__(self)
        self.flat = False
        self.returning = False

    def __torch_dispatch__(
        self, func: OpOverload, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run one operator, those with padding in their own way."""
        name = plain_name(func)
        handler = _HANDLERS.get(name)
        if handler is None:
            return func(*args, **(kwargs or {}))
        named = bind(func, args, kwargs or {})
        if name == "constant_pad_nd" and self.returning:  # the gradient of a padding crops, that of a crop pads
            return func(**named) if max(named["pad"]) > 0 else _unpadded(named["self"], [-n for n in named["pad"]])
        if "grad_output" in named and name not in _PAD_GRADIENTS and not self.flat:
            named["grad_output"] = self._flattened(named["grad_output"])
        return handler(func, named)

    def _flattened(self, gradient: torch.Tensor) -> torch.Tensor:
        """The gradient that reaches the last layer, made flat: a fully connected head weighs every position."""
        self.flat = True
        return flattened(gradient, range(2, gradient.dim()))


def _margins(named: dict[str, Any], x: torch.Tensor, kernel: tuple[int, ...]) -> list[tuple[int, int]]:
    dims = len(kernel)
    stride = numbers(named["stride"] or kernel, dims)
    dilation = numbers(named.get("dilation") or 1, dims)
    padding = numbers(named["padding"], dims)
    size = tuple(x.shape[-dims:])
    return gather_sides(size, kernel, stride, padding, dilation, ceil=bool(named.get("ceil_mode")))


def _wrapped(x: torch.Tensor, sides: list[tuple[int, int]]) -> torch.Tensor:
    return extended(x, sides, x.shape[-len(sides) :])


def _folded(gradient: torch.Tensor, sides: list[tuple[int, int]], size: Sequence[int]) -> torch.Tensor:
    """Add what lies in the margins to the positions that they repeat: the adjoint of wrapping."""
    first = gradient.dim() - len(sides)
    for axis, ((before, _), n) in enumerate(zip(sides, size, strict=True), start=first):
        where = (torch.arange(gradient.shape[axis], device=gradient.device) - before) % n
        shape = list(gradient.shape)
        shape[axis] = n
        gradient = gradient.new_zeros(shape).index_add(axis, where, gradient)
    return gradient


def _convolution(func: OpOverload, named: dict[str, Any]) -> Any:
    if named["transposed"]:
        sides, beyond, outputs = _spread(named)
        wide = _wrapped(named["input"], sides)
        return cropped(func(**{**named, "input": wide}), tuple(before for before, _ in beyond), outputs)
    x, kernel = named["input"], tuple(named["weight"].shape[2:])
    sides = _margins(named, x, kernel)
    return func(**{**named, "input": _wrapped(x, sides), "padding": [0] * len(kernel)})


def _convolution_backward(func: OpOverload, named: dict[str, Any]) -> Any:
    if named["transposed"]:
        return _spread_backward(func, named)
    x, kernel = named["input"], tuple(named["weight"].shape[2:])
    sides = _margins(named, x, kernel)
    gradient, *rest = func(**{**named, "input": _wrapped(x, sides), "padding": [0] * len(kernel)})
    if gradient is not None:
        gradient = _folded(gradient, sides, x.shape[2:])
    return (gradient, *rest)


def _spread(named: dict[str, Any]) -> tuple[list[tuple[int, int]], list[tuple[int, int]], Ints]:
    """Of a transposed convolution: inputs to wrap round on each side, outputs they add there, outputs wanted."""
    size, kernel = tuple(named["input"].shape[2:]), tuple(named["weight"].shape[2:])
    dims = len(kernel)
    stride, padding, dilation, extra = (
        numbers(named[name], dims) for name in ("stride", "padding", "dilation", "output_padding")
    )
    reach = tuple(d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True))
    outputs = tuple(
        (n - 1) * s - 2 * p + r + o for n, s, p, r, o in zip(size, stride, padding, reach, extra, strict=True)
    )
    sides = spread_sides(size, outputs, reach, stride, padding)
    return sides, times(sides, stride), outputs


def _spread_backward(func: OpOverload, named: dict[str, Any]) -> Any:
    sides, beyond, _ = _spread(named)
    x = named["input"]
    arrived = torch.nn.functional.pad(named["grad_output"], [n for pair in reversed(beyond) for n in pair])
    gradient, *rest = func(**{**named, "input": _wrapped(x, sides), "grad_output": arrived})
    return (None if gradient is None else _folded(gradient, sides, x.shape[2:]), *rest)


def _pooled(func: OpOverload, named: dict[str, Any]) -> Any:
    x = named["self"]
    kernel = tuple(named["kernel_size"])
    sides = _margins(named, x, kernel)
    return func(**{**named, "self": _wrapped(x, sides), "padding": [0] * len(kernel), "ceil_mode": False})


def _pooled_backward(func: OpOverload, named: dict[str, Any]) -> Any:
    x = named["self"]
    kernel = tuple(named["kernel_size"])
    sides = _margins(named, x, kernel)
    changes = {"self": _wrapped(x, sides), "padding": [0] * len(kernel), "ceil_mode": False}
    return _folded(func(**{**named, **changes}), sides, x.shape[-len(kernel) :])


def _padded(func: OpOverload, named: dict[str, Any]) -> Any:
    """Padding of positions shows more of the plane; that of channels is what it was."""
    x, listed = named["self"], list(named["pad" if "pad" in named else "padding"])
    beyond = 2 * (x.dim() - 2)
    wide = extended(x, pairs_of(listed[:beyond]), x.shape[-(len(listed[:beyond]) // 2) :])
    if not any(listed[beyond:]):
        return wide
    return torch.ops.aten.constant_pad_nd.default(wide, [0] * beyond + listed[beyond:], named.get("value") or 0)


def _unpadded(gradient: torch.Tensor, listed: list[int]) -> torch.Tensor:
    beyond = 2 * (gradient.dim() - 2)
    if any(listed[beyond:]):
        gradient = torch.ops.aten.constant_pad_nd.default(gradient, [0] * beyond + [-n for n in listed[beyond:]], 0)
    sides = pairs_of(listed[:beyond])
    size = [n - sum(side) for n, side in zip(gradient.shape[-len(sides) :], sides, strict=True)]
    return _folded(gradient, list(sides), size)


def _padded_backward(func: OpOverload, named: dict[str, Any]) -> Any:
    return _unpadded(named["grad_output"], list(named["padding"]))


_PADS = tuple(f"{kind}_pad{d}d" for kind in ("reflection", "replication") for d in (1, 2, 3))
_PAD_GRADIENTS = frozenset(f"{name}_backward" for name in _PADS)
_HANDLERS: dict[str, Any] = {
    **dict.fromkeys(("constant_pad_nd", *_PADS), _padded),
    **dict.fromkeys(_PAD_GRADIENTS, _padded_backward),
    "convolution": _convolution,
    "convolution_backward": _convolution_backward,
    **{f"avg_pool{d}d": _pooled for d in (2, 3)},
    **{f"avg_pool{d}d_backward": _pooled_backward for d in (2, 3)},
    **{f"max_pool{d}d_with_indices": _pooled for d in (2, 3)},
    **{f"max_pool{d}d_with_indices_backward": _pooled_backward for d in (2, 3)},
}
