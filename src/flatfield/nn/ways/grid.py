"""The padded low-resolution grid, flattened, and the bands it is worked off in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from flatfield.nn.ways.terms import Plan

BAND_BYTES = 8 << 20
"""Bytes of maps a band holds: the knee of the benchmark on 2 cores (half and double cost 2 to 5 %)."""


@dataclass(frozen=True)
class Band:
    """Images `first` to `last` and, on the leading axis, cells `start` to `stop`.

    More than one image only with all their cells, so that a band is one stretch of the flat grid.
    """

    first: int
    last: int
    start: int
    stop: int


@dataclass(frozen=True)
class Grid:
    """The padded low-resolution grid of `plan`, flattened to (positions, channels) in either layout.

    Every shift becomes an offset along one flat axis. What is read across the end of a line belongs to
    padding, which is never written to the output. All tensors are (..., positions, channels) by their
    sizes; which of the two lies innermost in memory is the layout.
    """

    plan: Plan
    batch: int
    dtype: torch.dtype
    device: torch.device
    channels_last: bool

    @property
    def image(self) -> int:
        """Positions of one image."""
        return self.plan.axes[0].padded * self.plan.strides[0]

    def empty(self, *shape: int, zero: bool = False) -> Tensor:
        """Allocate (..., positions, channels), channels or positions innermost as the layout says."""
        make = torch.zeros if zero else torch.empty
        *outer, positions, channels = shape
        inner = (positions, channels) if self.channels_last else (channels, positions)
        made = make((*outer, *inner), dtype=self.dtype, device=self.device)
        return made if self.channels_last else made.transpose(-1, -2)

    def blank(self, channels: int) -> Tensor:
        """A grid of zeros, (rows, positions + reach, channels); images follow without a gap in a row."""
        rows, images = (1, self.batch) if self.channels_last else (self.batch, 1)
        return self.empty(rows, images * self.image + self.plan.reach, channels, zero=True)

    def place(self, x: Tensor) -> Tensor:
        """Copy `x` (batch, channels, *sizes) into a blank grid."""
        flat = self.blank(x.shape[1])
        self.window(flat).copy_(self.seen(x))
        return flat

    def seen(self, x: Tensor) -> Tensor:
        """View the part of `x` that any output reads, (batch, *sizes, channels)."""
        for a, axis in enumerate(self.plan.axes):
            first = max(axis.low, 0)
            x = x.narrow(2 + a, first, self._until(a) - first)
        return x.movedim(1, -1)

    def window(self, flat: Tensor) -> Tensor:
        """View the place of that part in a flat grid."""
        positions = flat.narrow(1, 0, flat.shape[1] - self.plan.reach)
        shape = [axis.padded for axis in self.plan.axes]
        if self.channels_last:
            view: Tensor = positions.squeeze(0).unflatten(0, [self.batch, *shape])
        else:
            view = positions.unflatten(1, shape)
        for a, axis in enumerate(self.plan.axes):
            first = max(axis.low, 0)
            view = view.narrow(1 + a, first - axis.low, self._until(a) - first)
        return view

    def _until(self, a: int) -> int:
        axis = self.plan.axes[a]
        return min(axis.inputs, axis.cells + axis.high)

    def bands(self, maps: int) -> Iterator[Band]:
        """Cut the batch into bands of about `BAND_BYTES`, with `maps` numbers a position."""
        cells, step = self.plan.axes[0].cells, self.plan.strides[0]
        budget = max(1, BAND_BYTES // (maps * self.dtype.itemsize))
        images = budget // self.image if self.channels_last else 1
        if images > 1:
            for first in range(0, self.batch, images):
                yield Band(first, min(first + images, self.batch), 0, cells)
            return
        # equal bands: a short last one costs as many calls as a full one
        count = -(-cells // max(1, min(cells, budget // step)))
        lines = -(-cells // count)
        for image in range(self.batch):
            for start in range(0, cells, lines):
                yield Band(image, image + 1, start, min(start + lines, cells))

    def origin(self, band: Band) -> tuple[int, int]:
        """Where a band starts in a flat grid: (row, position)."""
        inside = band.start * self.plan.strides[0]
        return (0, band.first * self.image + inside) if self.channels_last else (band.first, inside)

    def lines(self, band: Band) -> tuple[int, ...]:
        """Shape of a band's stretch of the grid, (images, *padded sizes)."""
        axes, images = self.plan.axes, band.last - band.first
        first = axes[0].padded if images > 1 else band.stop - band.start
        return (images, first, *(axis.padded for axis in axes[1:]))

    def output(self, channels: int) -> Tensor:
        """Allocate an output, (batch, out, *cells * scale)."""
        sizes = [axis.cells * axis.scale for axis in self.plan.axes]
        shape = (self.batch, *sizes, channels) if self.channels_last else (self.batch, channels, *sizes)
        made = torch.empty(shape, dtype=self.dtype, device=self.device)
        return made.movedim(-1, 1) if self.channels_last else made

    def maps(self, flat: Tensor, band: Band) -> Tensor:
        """View maps (lead phases, positions, last kernel * out) by lines, without the padding between.

        The result is (*lead scales, images, *cells, last padded, last kernel, out).
        """
        lead, last = self.plan.lead, self.plan.last
        view: Tensor = flat.unflatten(-1, (last.kernel, flat.shape[-1] // last.kernel))
        view = view.unflatten(1, self.lines(band))
        view = view.unflatten(0, [axis.scale for axis in lead])
        for a, axis in enumerate(lead):
            cells = band.stop - band.start if a == 0 else axis.cells
            view = view.narrow(len(lead) + 1 + a, 0, cells)
        return view

    def phases(self, y: Tensor, band: Band) -> Tensor:
        """View an output (batch, out, *cells * scale) as (*lead scales, images, *cells, last scale, out)."""
        axes = self.plan.axes
        view: Tensor = y.movedim(1, -1)
        for a, axis in reversed(list(enumerate(axes))):
            view = view.unflatten(1 + a, (axis.cells, axis.scale))
        scales = [2 + 2 * a for a in range(len(axes) - 1)]
        cells = [1 + 2 * a for a in range(len(axes))]
        view = view.permute(*scales, 0, *cells, 2 * len(axes), 1 + 2 * len(axes))
        images: Tensor = view.narrow(len(scales), band.first, band.last - band.first)
        return images.narrow(len(scales) + 1, band.start, band.stop - band.start)
