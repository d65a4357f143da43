"""Flat-field correction: a layer behind a finished model that subtracts its grid."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flatfield.core.taps import Ints

POOL = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


class FlatFieldCorrection(nn.Module):
    """Subtract from (batch, channels, *space) a grid that depends on the local colour and the phase alone.

    The local colour is the mean over one period. `centre` (channels,), `colour` (groups, members, members), `low` and
    `high` (groups, members) turn it into coordinates, cut off at what was calibrated on; `coefficients` (phases,
    groups, members, terms), phases in C order, multiply 1, the coordinates and, where there are terms for them, the
    products of two. `groups * members` channels: one group of all of them, or a group for each channel. Any size from
    one period up; raises `ValueError` below. Grids of one to three spatial dimensions, in any floating-point type.

    >>> grid = torch.tensor([0.5, -0.5]).reshape(2, 1, 1, 1)
    >>> eye = torch.eye(1)[None]
    >>> correct = FlatFieldCorrection((2,), torch.zeros(1), eye, -torch.ones(1, 1), torch.ones(1, 1), grid)
    >>> correct(torch.tensor([[[2.0, 1.0, 2.0]]]))
    tensor([[[1.5000, 1.5000, 1.5000]]])
    """

    centre: Tensor
    colour: Tensor
    low: Tensor
    high: Tensor
    coefficients: Tensor

    def __init__(
        self, period: Sequence[int], centre: Tensor, colour: Tensor, low: Tensor, high: Tensor, coefficients: Tensor
    ) -> None:
        super().__init__()
        self.period: Ints = tuple(int(step) for step in period)
        groups, members = colour.shape[:2]
        if not 1 <= len(self.period) <= len(POOL) or min(self.period) < 1:
            raise ValueError(f"period {self.period} has no place in a grid of one to three dimensions")
        if coefficients.shape[:3] != (prod(self.period), groups, members):
            raise ValueError(
                f"coefficients of shape {tuple(coefficients.shape)} don't fit period {self.period} and {groups} groups "
                f"of {members} channels: give ({prod(self.period)}, {groups}, {members}, terms)"
            )
        self.products = tuple((i, j) for i in range(members) for j in range(i, members))
        degrees = (1, 1 + members, 1 + members + len(self.products))
        if coefficients.shape[3] not in degrees:
            raise ValueError(f"{coefficients.shape[3]} terms for {members} channels: give {degrees}")
        self.degree = degrees.index(coefficients.shape[3])
        for name, value in (("centre", centre), ("colour", colour), ("low", low), ("high", high)):
            self.register_buffer(name, value.detach().clone())
        self.register_buffer("coefficients", coefficients.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        """Subtract the grid from `x`."""
        return x - self.grid(x)

    def grid(self, x: Tensor) -> Tensor:
        """Compute what is subtracted, of the shape of `x`."""
        coefficients = self.coefficients.to(x.dtype)
        if self.degree > 0:
            return self._unfolded(self._folded(self._terms(self.local_mean(x))), coefficients, x)
        grid = coefficients.reshape(1, *self.period, -1).movedim(-1, 1)
        for axis, step in enumerate(self.period, start=2):
            grid = grid.index_select(axis, torch.arange(x.shape[axis], device=x.device) % step)
        return grid

    def local_mean(self, x: Tensor) -> Tensor:
        """Average over one period around each position; near borders, the nearest whole window."""
        dims = len(self.period)
        for axis, step in enumerate(self.period):
            if step == 1:
                continue
            self._check(x, axis, step)
            x = POOL[dims](x, [step if a == axis else 1 for a in range(dims)], stride=1)
            if step % 2 == 0:
                x = POOL[dims](x, [2 if a == axis else 1 for a in range(dims)], stride=1)
        margins = [reach for step in reversed(self.period) for reach in (step // 2, step // 2)]
        return F.pad(x, margins, mode="replicate")

    def _check(self, x: Tensor, axis: int, step: int) -> None:
        if torch.compiler.is_compiling() or torch.jit.is_tracing():  # type: ignore[attr-defined, no-untyped-call]
            return  # a condition on sizes would be written into the exported program
        n = x.shape[2 + axis]
        if n < 2 * (step // 2) + 1:
            raise ValueError(f"{n} positions are fewer than one period of the grid, {step}: give a larger input")

    def _terms(self, mean: Tensor) -> Tensor:
        """What the coefficients multiply, but for the 1: (batch, groups * terms, *space)."""
        groups, members = self.colour.shape[:2]
        away = mean - self.centre.to(mean.dtype).reshape(-1, *(1,) * len(self.period))
        flat = away.reshape(away.shape[0], groups, members, -1)
        at = torch.matmul(self.colour.to(mean.dtype), flat)
        at = torch.maximum(torch.minimum(at, self.high.to(at.dtype).unsqueeze(-1)), self.low.to(at.dtype).unsqueeze(-1))
        if self.degree > 1:
            first, second = zip(*self.products, strict=True)
            at = torch.cat([at, at[:, :, list(first)] * at[:, :, list(second)]], dim=2)
        return at.reshape(at.shape[0], -1, *mean.shape[2:])

    def _folded(self, terms: Tensor) -> Tensor:
        """Sort positions by phase: (batch, groups * terms, *space) to (batch, *period, groups, terms, *tiles).

        The last position is repeated until it fills its tile. Sizes are picked, not cut and padded: no condition on
        them is written into an exported program.
        """
        dims, groups = len(self.period), self.colour.shape[0]
        tiles = terms
        for axis, step in enumerate(self.period, start=2):
            count = (terms.shape[axis] + step - 1) // step
            place = torch.arange(count * step, device=terms.device).clamp(max=terms.shape[axis] - 1)
            tiles = tiles.index_select(axis, place)
        for axis, step in reversed(list(enumerate(self.period, start=2))):
            tiles = tiles.unflatten(axis, (-1, step))
        order = [0, *(3 + 2 * a for a in range(dims)), 1, *(2 + 2 * a for a in range(dims))]
        sorted_by_phase = tiles.permute(order)
        return sorted_by_phase.reshape(
            *sorted_by_phase.shape[: 1 + dims], groups, terms.shape[1] // groups, *sorted_by_phase.shape[2 + dims :]
        )

    def _unfolded(self, folded: Tensor, coefficients: Tensor, like: Tensor) -> Tensor:
        """Multiply phase by phase, and put every phase back into its place, as far as `like` goes."""
        dims, channels = len(self.period), self.centre.shape[0]
        batch, places = folded.shape[0], folded.shape[3 + dims :]
        flat = folded.reshape(batch, prod(self.period), *folded.shape[1 + dims : 3 + dims], -1)
        grid = torch.matmul(coefficients[..., 1:], flat) + coefficients[..., :1]
        grid = grid.reshape(batch, *self.period, channels, *places)
        order = [axis for a in range(dims) for axis in (2 + dims + a, 1 + a)]
        tiles = grid.permute(0, 1 + dims, *order)
        if torch.compiler.is_compiling():
            every: list[Any] = [slice(None), slice(None), *self._places(like)]
            return tiles[tuple(every)]
        grid = tiles.reshape(batch, channels, *(n * step for n, step in zip(places, self.period, strict=True)))
        for axis in range(2, 2 + dims):
            grid = grid.narrow(axis, 0, like.shape[axis])
        return grid

    def _places(self, like: Tensor) -> list[Tensor]:
        """For every position its tile and its phase, axis by axis: indices that broadcast to the space of `like`."""
        found = []
        for axis, step in enumerate(self.period):
            along = torch.arange(like.shape[2 + axis], device=like.device)
            along = along.reshape([-1 if a == axis else 1 for a in range(len(self.period))])
            found += [along // step, along % step]
        return found

    def extra_repr(self) -> str:
        """Say the settings, as PyTorch's layers do."""
        return f"period={self.period}, channels={self.centre.shape[0]}, degree={self.degree}"
