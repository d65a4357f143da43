"""Flat-field correction: a layer behind a finished model that subtracts its grid."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

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
        dims = len(self.period)
        space = x.shape[-dims:]
        whole = [-(-n // step) for n, step in zip(space, self.period, strict=True)]
        coefficients = self.coefficients.to(x.dtype)
        if self.degree == 0:
            tile = coefficients.reshape(1, *self.period, -1).movedim(-1, 1)
            grid = tile.repeat(1, 1, *whole)
        else:
            terms = self._terms(self.local_mean(x))
            grid = self._unfolded(self._folded(terms, whole), coefficients, whole)
        for axis, n in enumerate(space, start=2):
            grid = grid.narrow(axis, 0, n)
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
        if torch.compiler.is_compiling():
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

    def _folded(self, terms: Tensor, whole: list[int]) -> Tensor:
        """Sort positions by phase: (batch, groups * terms, *space) to (batch, phases, groups, terms, tiles)."""
        dims = len(self.period)
        short = [w * step - n for w, step, n in zip(whole, self.period, terms.shape[2:], strict=True)]
        terms = F.pad(terms, [amount for extra in reversed(short) for amount in (0, extra)])
        sizes = [n for w, step in zip(whole, self.period, strict=True) for n in (w, step)]
        tiles = terms.reshape(*terms.shape[:2], *sizes)
        order = [0, *(3 + 2 * a for a in range(dims)), 1, *(2 + 2 * a for a in range(dims))]
        groups = self.colour.shape[0]
        return tiles.permute(order).reshape(terms.shape[0], prod(self.period), groups, terms.shape[1] // groups, -1)

    def _unfolded(self, folded: Tensor, coefficients: Tensor, whole: list[int]) -> Tensor:
        """Multiply phase by phase, and put every phase back into its place."""
        dims = len(self.period)
        grid = torch.matmul(coefficients[..., 1:], folded) + coefficients[..., :1]
        grid = grid.reshape(folded.shape[0], *self.period, self.centre.shape[0], *whole)
        order = [0, 1 + dims, *(axis for a in range(dims) for axis in (2 + dims + a, 1 + a))]
        sizes = [w * step for w, step in zip(whole, self.period, strict=True)]
        return grid.permute(order).reshape(folded.shape[0], self.centre.shape[0], *sizes)

    def extra_repr(self) -> str:
        """Say the settings, as PyTorch's layers do."""
        return f"period={self.period}, channels={self.centre.shape[0]}, degree={self.degree}"
