"""Spread: a transposed convolution in numbers, and the ONNX nodes that compute it, with ConvTranspose or without.

What `fuse` makes of an interpolation and the convolution behind it, and what `unfuse` reads from a ConvTranspose:
`y[m] = sum of w[t] x[n] over t d = m + p - s n`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from flatfield.core.taps import Ints, Pairs
from flatfield.cure.onnx.piece import Array, Piece

Sizes = tuple[int | None, ...]
_INT64_END = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Cells:
    """One axis of a spread, cell by cell: cell q holds the outputs `m + p = s q + f`, f = 0..s-1.

    Tap `t d = f + s j` of phase f reads input q - j, so every cell is one convolution over `span + 1` inputs.
    """

    stride: int
    kernel: int
    dilation: int
    pads: tuple[int, int]

    @property
    def taps(self) -> int:
        """Taps of a phase kernel."""
        return (self.kernel - 1) // self.stride + 1

    @property
    def span(self) -> int:
        """How many inputs back a cell reads; a dilation is left only where the stride is 1."""
        return self.dilation * (self.taps - 1)

    @property
    def tail(self) -> int:
        """Where the last output stands behind the last input: `m + p = s (n - 1) + tail`."""
        return self.dilation * (self.kernel - 1) - self.pads[1]

    @property
    def _first(self) -> int:
        """The first cell that is computed: a convolution does not pad by less than nothing."""
        return min(self.pads[0] // self.stride, self.span)

    @property
    def _beyond(self) -> int:
        """Cells behind the last input."""
        return max(self.tail // self.stride, 0)

    @property
    def padding(self) -> tuple[int, int]:
        """Zeros in front of and behind the input, whatever its size is."""
        return self.span - self._first, self._beyond

    @property
    def crop(self) -> tuple[int, int]:
        """Outputs of the first and the last cell that are not wanted.

        >>> Cells(stride=2, kernel=4, dilation=1, pads=(1, 1)).crop
        (1, 1)
        """
        return self.pads[0] - self.stride * self._first, self.stride * (self._beyond + 1) - 1 - self.tail


@dataclass(frozen=True)
class Spread:
    """A transposed convolution: `weight` (in, out / groups, *kernel) in double precision, pads may be negative.

    There is no output padding: it is padding taken off the end.
    """

    weight: npt.NDArray[np.float64]
    bias: npt.NDArray[np.float64] | None
    stride: Ints
    pads: Pairs
    dilation: Ints
    groups: int
    kind: np.dtype[np.floating]

    @property
    def out(self) -> int:
        """Output channels."""
        return int(self.weight.shape[1]) * self.groups

    @cached_property
    def dense(self) -> Spread:
        """The same with zeros in the kernel for a dilation, but where the stride is 1: there a convolution has it."""
        weight, left = self.weight, []
        for axis, (s, d) in enumerate(zip(self.stride, self.dilation, strict=True)):
            left.append(d if s == 1 else 1)
            weight = weight if s == 1 else stretched(weight, 2 + axis, d)
        return Spread(weight, self.bias, self.stride, self.pads, tuple(left), self.groups, self.kind)

    @property
    def cells(self) -> tuple[Cells, ...]:
        """The axes of `dense`."""
        dense = self.dense
        return tuple(
            Cells(s, k, d, p)
            for s, k, d, p in zip(dense.stride, dense.weight.shape[2:], dense.dilation, dense.pads, strict=True)
        )

    def phase_kernels(self) -> npt.NDArray[np.float64]:
        """Give the weight of the convolution to all phases: (out * prod(stride), in / groups, *taps).

        Channels are in PyTorch's order: output channel, then the phase of every axis.
        """
        dense, cells = self.dense, self.cells
        columns, dims = dense.weight.shape[1], len(cells)
        filled = np.zeros((*dense.weight.shape[:2], *(c.taps * c.stride for c in cells)))
        filled[(slice(None), slice(None), *(slice(0, c.kernel) for c in cells))] = dense.weight
        split = filled.reshape(self.groups, -1, columns, *(n for c in cells for n in (c.taps, c.stride)))
        split = np.flip(split, tuple(range(3, 3 + 2 * dims, 2)))  # a convolution reads forwards
        order = (0, 2, *range(4, 4 + 2 * dims, 2), 1, *range(3, 3 + 2 * dims, 2))
        moved = split.transpose(order)
        return moved.reshape(self.out * math.prod(self.stride), -1, *(c.taps for c in cells))

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of the phase kernels for each input position and pair of channels."""
        return math.prod(c.taps * c.stride for c in self.cells)

    def as_phases(self, piece: Piece, x: str, sizes: Sizes) -> str:
        """Add Conv, the shuffle of phases into space, and Slice; `sizes` are the input's, where known."""
        cells, phases = self.cells, math.prod(self.stride)
        kernels, bias = self.phase_kernels(), self.bias
        by_phase = phases > 1 and self._one_scale and piece.opset < 11 and self.groups == 1
        if by_phase:  # DepthToSpace knew only the order with phases first
            order = np.arange(len(kernels)).reshape(self.out, phases).T.ravel()
            kernels = kernels[order]
        inputs = [x, piece.constant(kernels.astype(self.kind), "weight")]
        if bias is not None:
            every = np.tile(bias, phases) if by_phase else np.repeat(bias, phases)
            inputs.append(piece.constant(every.astype(self.kind), "bias"))
        y = piece.add(
            "Conv", inputs, kernel_shape=kernels.shape[2:], group=self.groups, dilations=[c.dilation for c in cells],
            pads=[c.padding[0] for c in cells] + [c.padding[1] for c in cells], strides=[1] * len(cells),
        )  # fmt: skip
        after = tuple(None if n is None else n + sum(c.padding) - c.span for n, c in zip(sizes, cells, strict=True))
        if phases > 1:
            y = shuffled(piece, y, self.out, self.stride, after, by_phase=by_phase)
        return piece.crop(y, [c.crop for c in cells])

    @property
    def _one_scale(self) -> bool:
        return len(self.stride) == 2 and len(set(self.stride)) == 1

    @property
    def transposable(self) -> bool:
        """Whether ConvTranspose can say it: padding of at least 0, output padding below the stride."""
        return all(before >= 0 and after > -s for (before, after), s in zip(self.pads, self.stride, strict=True))

    def as_transposed(self, piece: Piece, x: str) -> str:
        """Add ConvTranspose; only where it is `transposable`."""
        inputs = [x, piece.constant(self.weight.astype(self.kind), "weight")]
        if self.bias is not None:
            inputs.append(piece.constant(self.bias.astype(self.kind), "bias"))
        extra = [max(0, -after) for _, after in self.pads]
        return piece.add(
            "ConvTranspose", inputs, kernel_shape=self.weight.shape[2:], strides=self.stride, group=self.groups,
            dilations=self.dilation, output_padding=extra if any(extra) else None,
            pads=[before for before, _ in self.pads] + [max(0, after) for _, after in self.pads],
        )  # fmt: skip


def stretched(weight: Array, axis: int, dilation: int) -> Array:
    """Write a dilated kernel with its zeros along one axis.

    >>> stretched(np.array([1.0, 2.0]), 0, 3)
    array([1., 0., 0., 2.])
    """
    sizes = list(weight.shape)
    sizes[axis] = dilation * (sizes[axis] - 1) + 1
    full = np.zeros(sizes, weight.dtype)
    full[(*(slice(None),) * axis, slice(None, None, dilation))] = weight
    return full


def shuffled(piece: Piece, x: str, out: int, scale: Ints, sizes: Sizes, *, by_phase: bool) -> str:
    """Add what moves phases from channels into space; `sizes` are those of `x`, where known.

    DepthToSpace in 2-d for one scale, else Reshape, Transpose, Reshape, on sizes asked of the tensor itself where
    more than one is open.
    """
    dims = len(scale)
    if dims == 2 and scale[0] == scale[1] and (by_phase or piece.opset >= 11):
        mode = None if piece.opset < 11 else "DCR" if by_phase else "CRD"
        return piece.add("DepthToSpace", [x], blocksize=scale[0], mode=mode)
    steps = [axis for axis in range(dims) if scale[axis] > 1]
    parts = [scale[axis] for axis in steps]
    first, last = _shapes(piece, x, out, scale, parts, sizes)
    y = piece.add("Reshape", [x, first])
    order = [0, 1]
    for axis in range(dims):
        order.append(2 + len(parts) + axis)
        if axis in steps:
            order.append(2 + steps.index(axis))
    return piece.add("Reshape", [piece.add("Transpose", [y], perm=order), last])


def _shapes(piece: Piece, x: str, out: int, scale: Ints, parts: Sequence[int], sizes: Sizes) -> tuple[str, str]:
    """The shapes before and behind the transposition, as constants or worked out by the graph."""
    if sum(n is None for n in sizes) <= 1:
        wide = [-1 if n is None else n * s for n, s in zip(sizes, scale, strict=True)]
        narrow = [-1 if n is None else n for n in sizes]
        return piece.ints([0, out, *parts, *narrow], "apart"), piece.ints([0, out, *wide], "together")
    places = piece.ints(range(2, 2 + len(scale)), "places")
    space = piece.add("Gather", [piece.add("Shape", [x]), places], axis=0)
    wider = piece.add("Mul", [space, piece.ints(scale, "scale")])
    apart = piece.add("Concat", [piece.ints([0, out, *parts], "channels_apart"), space], axis=0)
    return apart, piece.add("Concat", [piece.ints([0, out], "channels"), wider], axis=0)
