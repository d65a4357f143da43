"""Statistics of normalisation layers: written down in a run on the example input, used in the runs on flat fields.

In a flat field the variance over positions is 0: a layer that divided by it would hide the grid, or make one out
of rounding.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch

from flatfield.probe.period import MIXED
from flatfield.probe.torus_call import TorusCall

_CHANNELWISE = ("native_batch_norm", "_native_batch_norm_legit", "_batch_norm_with_update", "cudnn_batch_norm",
                "miopen_batch_norm")  # fmt: skip
_SPREADS = ("var", "std", "var_mean", "std_mean")
NORMS = frozenset((*_CHANNELWISE, "native_group_norm", "native_layer_norm", *_SPREADS))
"""Operators whose statistics are taken over positions, among others."""


@dataclass
class Statistics:
    """What every normalisation found in the example input, in the order of the calls."""

    found: list[tuple[str, tuple[torch.Tensor, ...]]] = field(default_factory=list)
    used: int = 0

    @property
    def over_positions(self) -> bool:
        """True where some normalisation took its statistics from the example."""
        return any(
            kept and kept[0].numel() and name not in ("native_layer_norm", *_SPREADS) for name, kept in self.found
        )

    def write(self, call: TorusCall, result: Any) -> None:
        """Note the statistics of one call."""
        results = result if isinstance(result, tuple) else (result,)
        kept = results if call.operator in _SPREADS else results[1:3]
        self.found.append((call.operator, tuple(t.detach().clone() for t in kept)))

    def take(self, call: TorusCall) -> tuple[torch.Tensor, ...]:
        """Give the statistics of the next call; nothing where the run has taken another way."""
        place, self.used = self.used, self.used + 1
        if place < len(self.found) and self.found[place][0] == call.operator:
            return self.found[place][1]
        return ()


def normalised(call: TorusCall, frozen: tuple[torch.Tensor, ...]) -> Any:
    """Normalise with frozen statistics; None where the layer's own ones are right, or none were found.

    Batch normalisation with running statistics, and layer normalisation of each position by itself, are functions
    of a position's channels: nothing to freeze.
    """
    if call.operator in _SPREADS:
        return _spread(call, frozen)
    x = call.first()
    if len(frozen) < 2 or frozen[0].numel() == 0:
        return None
    if call.operator in _CHANNELWISE:
        if not (call.arguments.get("training") or call.operator == "_native_batch_norm_legit"):
            return None
        return _batch(call, x, *frozen[:2])
    if call.operator == "native_group_norm":
        return _group(call, x, *frozen[:2])
    return _layer(call, x, *frozen[:2])


def _scaled(x: torch.Tensor, weight: torch.Tensor | None, bias: torch.Tensor | None) -> torch.Tensor:
    shape = (1, -1, *(1,) * (x.dim() - 2))
    x = x * weight.reshape(shape).to(x.dtype) if weight is not None and weight.numel() else x
    return x + bias.reshape(shape).to(x.dtype) if bias is not None and bias.numel() else x


def _batch(call: TorusCall, x: torch.Tensor, mean: torch.Tensor, scale: torch.Tensor) -> Any:
    if mean.numel() != x.shape[1]:
        return None
    shape = (1, -1, *(1,) * (x.dim() - 2))
    result = ((x - mean.reshape(shape)) * scale.reshape(shape)).to(x.dtype)
    return _scaled(result, call["weight"], call["bias"]), mean, scale


def _group(call: TorusCall, x: torch.Tensor, mean: torch.Tensor, scale: torch.Tensor) -> Any:
    groups = int(call["group"])
    if mean.shape != (x.shape[0], groups):
        return None
    parts = x.reshape(x.shape[0], groups, -1)
    result = ((parts - mean[..., None]) * scale[..., None]).to(x.dtype).reshape(x.shape)
    return _scaled(result, call["weight"], call["bias"]), mean, scale


def _layer(call: TorusCall, x: torch.Tensor, mean: torch.Tensor, scale: torch.Tensor) -> Any:
    axes = len(call["normalized_shape"])
    periods = call.periods(x)
    lead = tuple(x.shape[: x.dim() - axes])
    if not any(p > 0 or p == MIXED for p in periods[-axes:]):
        return None
    if math.prod(mean.shape) != math.prod(lead) or any(p > 0 for p in periods[:-axes]):
        call.note("normalises positions by statistics that depend on the size")
        return None
    result = ((x - mean) * scale).to(x.dtype)
    result = result * call["weight"] if call["weight"] is not None else result
    return result + call["bias"] if call["bias"] is not None else result, mean, scale


def _spread(call: TorusCall, frozen: tuple[torch.Tensor, ...]) -> Any:
    x, listed = call.first(), call.arguments.get("dim")
    over = range(x.dim()) if listed in (None, []) else [listed] if isinstance(listed, int) else listed
    axes = {axis % max(1, x.dim()) for axis in over}
    periods = call.periods(x)
    if not any(periods[axis] > 0 or periods[axis] == MIXED for axis in axes) or not frozen:
        return None
    kept = [1 if axis in axes else n for axis, n in enumerate(x.shape)]
    if frozen[0].numel() != math.prod(kept):
        return None
    return frozen if len(frozen) > 1 else frozen[0]
