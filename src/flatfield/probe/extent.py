"""Extent: more of a periodic signal than a tensor holds."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from flatfield.probe.period import Periods
from flatfield.probe.unhonoured import WindowTooSmallError


def extended(tensor: torch.Tensor, sides: Sequence[tuple[int, int]], periods: Periods) -> torch.Tensor:
    """Show `before` and `after` more positions of the last axes; negative numbers crop.

    `sides` and `periods` belong to the last axes. Positions inside the window keep their own values. Raises
    `WindowTooSmallError` for a window that shows less than one period.

    >>> extended(torch.tensor([1, 2, 3, 1, 2]), [(1, 2)], (3,)).tolist()
    [3, 1, 2, 3, 1, 2, 3, 1]
    """
    first = tensor.dim() - len(sides)
    for axis, ((before, after), period) in enumerate(zip(sides, periods, strict=True), start=first):
        n = tensor.shape[axis]
        if before == 0 and after == 0:
            continue
        if before <= 0 and after <= 0:
            tensor = tensor.narrow(axis, -before, n + before + after)
            continue
        tensor = tensor.index_select(axis, positions(n, before, after, period).to(tensor.device))
    return tensor


def refuse_less_than_a_period(tensor: torch.Tensor, periods: Periods) -> None:
    """Raise `WindowTooSmallError` for a window that shows less than one period: it would pass for flat."""
    for n, period in zip(tensor.shape, periods, strict=True):
        if period > n:
            raise WindowTooSmallError(f"{n} positions of a signal with period {period}")


def positions(n: int, before: int, after: int, period: int) -> torch.Tensor:
    """Where in a window of n positions the values at -before .. n + after - 1 are found.

    >>> positions(4, 3, 2, 2).tolist()
    [1, 0, 1, 0, 1, 2, 3, 0, 1]
    """
    if period > n:
        raise WindowTooSmallError(f"{n} positions of a signal with period {period}")
    where = torch.arange(-before, n + after)
    inside = (where >= 0) & (where < n)
    return torch.where(inside, where, where % period)
