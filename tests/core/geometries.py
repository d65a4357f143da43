"""Small layers in one, two and three dimensions, drawn by hypothesis."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from flatfield.core import Convolution, TransposedConvolution, Window

Array = npt.NDArray[np.float64]
Draw = st.DrawFn
# largest input size, kernel, stride, dilation and padding: a 3-d layer has the most of everything else
BOUNDS = {1: (5, 5, 4, 3, 4), 2: (3, 4, 3, 3, 2), 3: (2, 3, 2, 2, 1)}


@dataclass(frozen=True)
class Geometry:
    """What a layer is made of, one number an axis; `ins` and `outs` are channels of one group."""

    size: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    output_padding: tuple[int, ...]
    groups: int
    ins: int
    outs: int
    seed: int

    @property
    def dims(self) -> int:
        return len(self.size)

    @property
    def before(self) -> tuple[int, ...]:
        return tuple(before for before, _ in self.padding)

    def weight(self, first: int, second: int) -> Array:
        return np.random.default_rng(self.seed).standard_normal((first, second, *self.kernel))

    def window(self) -> Window:
        return Window(self.dims, stride=self.stride, padding=self.padding, dilation=self.dilation)

    def transposed(self) -> TransposedConvolution:
        weight = self.weight(self.groups * self.ins, self.outs)
        return TransposedConvolution(weight, self.window(), self.output_padding, self.groups)

    def convolution(self) -> Convolution:
        return Convolution(self.weight(self.groups * self.outs, self.ins), self.window(), self.groups)

    def spread(self) -> list[int]:
        """The output size of a transposed convolution; below 1, the padding leaves nothing."""
        return [
            (n - 1) * s + d * (k - 1) + 1 + extra - sum(p)
            for n, s, d, k, p, extra in zip(
                self.size,
                self.stride,
                self.dilation,
                self.kernel,
                self.padding,
                self.output_padding,
                strict=True,
            )
        ]

    def rooms(self) -> list[int]:
        """How far a convolution can move its kernel along each axis; below 0, not even once."""
        return [
            n + sum(p) - d * (k - 1) - 1
            for n, d, k, p in zip(self.size, self.dilation, self.kernel, self.padding, strict=True)
        ]

    def with_output(self) -> Geometry:
        """The same with inputs enough for a transposed convolution to leave an output."""
        return self._grown([max(0, -((extent - 1) // s)) for extent, s in zip(self.spread(), self.stride, strict=True)])

    def with_room(self) -> Geometry:
        """The same with inputs enough for a convolution to have its kernel once."""
        return self._grown([max(0, -room) for room in self.rooms()])

    def without_rest(self) -> Geometry:
        """The same with inputs so that a convolution reaches the last of them."""
        return self._grown([-room % s for room, s in zip(self.rooms(), self.stride, strict=True)])

    def _grown(self, more: list[int]) -> Geometry:
        return replace(self, size=tuple(n + extra for n, extra in zip(self.size, more, strict=True)))


@st.composite
def geometries(draw: Draw, *, dims: int | None = None, most_channels: int = 2) -> Geometry:
    dims = draw(st.integers(1, 3)) if dims is None else dims
    size, kernel, stride, dilation, padding = BOUNDS[dims]

    def axes(least: int, most: int) -> tuple[int, ...]:
        return draw(st.tuples(*[st.integers(least, most)] * dims))

    before = axes(0, padding)
    strides = axes(1, stride)
    return Geometry(
        size=axes(1, size),
        kernel=axes(1, kernel),
        stride=strides,
        dilation=axes(1, dilation),
        padding=tuple(zip(before, draw(st.sampled_from([before, axes(0, padding)])), strict=True)),
        # PyTorch's bound: smaller than the stride
        output_padding=tuple(draw(st.integers(0, s - 1)) for s in strides),
        groups=draw(st.integers(1, 2)),
        ins=draw(st.integers(1, most_channels)),
        outs=draw(st.integers(1, most_channels)),
        seed=draw(st.integers(0, 2**16)),
    )
