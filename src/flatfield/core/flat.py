"""Flat weights: those that answer a flat input (order 2: a ramp too) with a flat output, phase by phase."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from flatfield.core.taps import per_axis, tap_positions

Where = Literal["points", "lines"]


def flat_weights(
    weight: npt.NDArray[np.floating],
    stride: int | Sequence[int],
    dilation: int | Sequence[int] = 1,
    *,
    order: int = 1,
    at: Where = "points",
) -> npt.NDArray[np.float64]:
    """Find the flat weights nearest to `weight` (Frobenius) for a transposed convolution.

    `weight` is (a, b, *kernel), and so is the result. At order 1 on points this is the closed form of the
    design, section 3: `(G* - G[f]) / n[f]` is added to each of the n[f] taps of phase f. Raises
    `ValueError` for an order below 1 or an unknown `at`.

    >>> flat_weights(np.ones((1, 1, 3)), 2)[0, 0].round(4)
    array([0.6667, 1.3333, 0.6667])
    """
    dims = weight.ndim - 2
    dilations = per_axis(dilation, dims, "dilation")
    taps = [tap_positions(k, d) for k, d in zip(weight.shape[2:], dilations, strict=True)]
    projection = flat_projection(taps, per_axis(stride, dims, "stride"), order=order, at=at)
    rows = np.asarray(weight, dtype=np.float64).reshape(-1, projection.shape[0])
    return (rows @ projection).reshape(weight.shape)


def flat_projection(
    taps: Sequence[npt.NDArray[np.int64]], stride: Sequence[int], *, order: int = 1, at: Where = "points"
) -> npt.NDArray[np.float64]:
    """Give the orthogonal projection of kernels on the flat ones, as a symmetric (taps, taps) matrix.

    `taps` holds, an axis at a time, the positions of the taps in output samples (`tap_positions`); taps
    are numbered as numpy ravels a kernel. Flatness of order r is the Strang-Fix condition: the moments of
    total degree below r are the same in every phase. `at="points"` asks it of inputs that are smooth along
    every axis; `at="lines"` also of those that are smooth along one axis only and anything along the others.

    The trace counts the free weights: of the 16 of a 4 x 4 kernel at stride 2,

    >>> four = tap_positions(4)
    >>> round(np.trace(flat_projection([four, four], (2, 2))))
    13
    >>> round(np.trace(flat_projection([four, four], (2, 2), at="lines")))
    9
    """
    if order < 1:
        raise ValueError(f"order {order} is not a flatness order: take 1 (constants) or 2 (ramps too)")
    if at not in ("points", "lines"):
        raise ValueError(f"at={at!r} is unknown: take 'points' or 'lines'")
    size = math.prod(len(axis) for axis in taps)
    constraints = _point_constraints if at == "points" else _line_constraints
    rows = np.array(list(constraints(taps, stride, order))).reshape(-1, size)
    if len(rows) == 0:
        return np.eye(size)
    # all `size` directions are needed, but never more than that
    _, strengths, directions = np.linalg.svd(rows, full_matrices=len(rows) < size)
    rank = np.count_nonzero(strengths > strengths.max(initial=0.0) * size * np.finfo(float).eps)
    # built from what is free, not as 1 - what is bound: a kernel with no freedom comes out as exactly 0
    free = np.asarray(directions[rank:], dtype=np.float64)
    return free.T @ free


def _point_constraints(
    taps: Sequence[npt.NDArray[np.int64]], stride: Sequence[int], order: int
) -> Iterator[npt.NDArray[np.float64]]:
    """Moments of each phase minus the same moment of phase 0: every row times a flat kernel is 0."""
    grid = np.meshgrid(*taps, indexing="ij")
    phase = np.ravel_multi_index([axis % s for axis, s in zip(grid, stride, strict=True)], tuple(stride))
    for powers in itertools.product(range(order), repeat=len(taps)):
        if sum(powers) >= order:
            continue
        moment = np.ones(phase.shape)
        for axis, power in zip(grid, powers, strict=True):
            moment = moment * _centred(axis) ** power
        members = [np.where(phase == f, moment, 0.0).ravel() for f in range(math.prod(stride))]
        yield from (member - members[0] for member in members[1:])


def _line_constraints(
    taps: Sequence[npt.NDArray[np.int64]], stride: Sequence[int], order: int
) -> Iterator[npt.NDArray[np.float64]]:
    """The constraints of one axis alone, at every single tap of the other axes."""
    kernel = [len(positions) for positions in taps]
    for axis, (positions, s) in enumerate(zip(taps, stride, strict=True)):
        for row in _point_constraints([positions], [s], order):
            for place in np.ndindex(*kernel[:axis], *kernel[axis + 1 :]):
                placed = np.zeros(kernel)
                placed[(*place[:axis], slice(None), *place[axis:])] = row
                yield placed.ravel()


def _centred(positions: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Positions in units of their spread: the moments below r span the same, with less rounding."""
    spread = max(1.0, float(np.ptp(positions)))
    return np.asarray((positions - positions.mean()) / spread, dtype=np.float64)
