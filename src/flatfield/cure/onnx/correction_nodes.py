"""Correction nodes: a flat-field correction as ONNX operators, for any size, from opset 11 on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from flatfield.core.taps import Ints
from flatfield.cure.colours import pairs
from flatfield.cure.correction import Correction
from flatfield.cure.layout import Layout

LEAST_OPSET = 11
AXES_ARE_INPUTS = 13


@dataclass
class CorrectionNodes:
    """Nodes and constants that turn `source` into `result`; names begin with `prefix`.

    The same operators as `FlatFieldCorrection`, in single precision.
    """

    correction: Correction
    layout: Layout
    prefix: str
    opset: int
    kind: int = TensorProto.FLOAT
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)

    @property
    def dims(self) -> int:
        """Number of spatial dimensions."""
        return len(self.correction.period)

    def add(self, operator: str, inputs: Sequence[str], output: str = "", **attributes: Any) -> str:
        """Write a node; gives the name of its output."""
        name = output or f"{self.prefix}{len(self.nodes)}"
        node = helper.make_node(
            operator, list(inputs), [name], f"{self.prefix}{operator}_{len(self.nodes)}", **attributes
        )
        self.nodes.append(node)
        return name

    def ints(self, *numbers: int) -> str:
        """Write whole numbers."""
        return self._constant(np.array(numbers, np.int64))

    def floats(self, values: npt.ArrayLike) -> str:
        """Write numbers in single precision."""
        return self._constant(np.asarray(values, np.float32))

    def _constant(self, values: npt.NDArray[Any]) -> str:
        name = f"{self.prefix}constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def write(self, source: str, result: str) -> None:
        """Write everything from the output as it was to the corrected one."""
        x = self._arranged(source)
        single = x if self.kind == TensorProto.FLOAT else self.add("Cast", [x], to=TensorProto.FLOAT)
        space = self._slice(self.add("Shape", [single]), 2, 2 + self.dims)
        period = self.ints(*self.correction.period)
        one_less = self.ints(*(step - 1 for step in self.correction.period))
        tiles = self.add("Div", [self.add("Add", [space, one_less]), period])
        grid = self._constant_grid(tiles) if self.correction.degree == 0 else self._grid(single, space, tiles, period)
        axes = self.ints(*range(2, 2 + self.dims))
        grid = self.add("Slice", [grid, self.ints(*(0,) * self.dims), space, axes])
        if self.kind != TensorProto.FLOAT:
            grid = self.add("Cast", [grid], to=self.kind)
        self._restored(x, grid, result)

    # -- axes -------------------------------------------------------------------------------------------------

    def _arranged(self, source: str) -> str:
        order = self.layout.order
        x = source if order == tuple(range(len(order))) else self.add("Transpose", [source], perm=order)
        return self._axis("Unsqueeze", x) if self.layout.channel is None else x

    def _restored(self, x: str, grid: str, result: str) -> None:
        order = self.layout.order
        back = tuple(order.index(axis) for axis in range(len(order)))
        moved, alone = back != tuple(range(len(order))), self.layout.channel is None
        y = self.add("Sub", [x, grid], "" if moved or alone else result)
        if alone:
            y = self._axis("Squeeze", y, "" if moved else result)
        if moved:
            self.add("Transpose", [y], result, perm=back)

    def _axis(self, operator: str, x: str, output: str = "") -> str:
        if self.opset >= AXES_ARE_INPUTS:
            return self.add(operator, [x, self.ints(1)], output)
        return self.add(operator, [x], output, axes=[1])

    def _slice(self, x: str, start: int, end: int) -> str:
        return self.add("Slice", [x, self.ints(start), self.ints(end)])

    def _shape(self, *parts: str) -> str:
        return self.add("Concat", parts, axis=0)

    # -- the grid ---------------------------------------------------------------------------------------------

    def _constant_grid(self, tiles: str) -> str:
        c = self.correction
        tile = np.moveaxis(c.coefficients[..., 0].reshape(*c.period, c.channels), -1, 0)[None]
        return self.add("Tile", [self.floats(tile), self._shape(self.ints(1, 1), tiles)])

    def _grid(self, x: str, space: str, tiles: str, period: str) -> str:
        c, groups = self.correction, self.correction.colours.groups
        terms = c.coefficients.shape[-1] - 1
        at = self._terms(self._local_mean(x))
        at = self.add("Reshape", [at, self._shape(self.ints(0, groups * terms), space)])
        target = self.add("Mul", [tiles, period])
        short = self.add("Sub", [target, space])
        at = self.add("Pad", [at, self._shape(self.ints(*(0,) * (self.dims + 4)), short)])
        each = [self._slice(tiles, axis, axis + 1) for axis in range(self.dims)]
        steps = [self.ints(step) for step in c.period]
        sizes = [part for pair in zip(each, steps, strict=True) for part in pair]
        at = self.add("Reshape", [at, self._shape(self.ints(0, groups * terms), *sizes)])
        order = [0, *(3 + 2 * a for a in range(self.dims)), 1, *(2 + 2 * a for a in range(self.dims))]
        at = self.add("Transpose", [at], perm=order)
        at = self.add("Reshape", [at, self.ints(0, prod(c.period), groups, terms, -1)])
        grid = self.add("MatMul", [self.floats(c.coefficients[..., 1:]), at])
        grid = self.add("Add", [grid, self.floats(c.coefficients[..., :1])])
        grid = self.add("Reshape", [grid, self._shape(self.ints(0, *c.period, c.channels), tiles)])
        back = [axis for a in range(self.dims) for axis in (2 + self.dims + a, 1 + a)]
        grid = self.add("Transpose", [grid], perm=[0, 1 + self.dims, *back])
        return self.add("Reshape", [grid, self._shape(self.ints(0, c.channels), target)])

    def _local_mean(self, x: str) -> str:
        for axis, step in enumerate(self.correction.period):
            for size in (step, 2 - step % 2):
                if step > 1 and size > 1:
                    window = [size if a == axis else 1 for a in range(self.dims)]
                    x = self.add("AveragePool", [x], kernel_shape=window, strides=[1] * self.dims)
        reach: Ints = (0, 0, *(step // 2 for step in self.correction.period))
        return self.add("Pad", [x, self.ints(*reach, *reach)], mode="edge")

    def _terms(self, mean: str) -> str:
        """All terms but the 1, (batch, groups, terms, positions)."""
        c = self.correction.colours
        away = self.add("Sub", [mean, self.floats(c.centre.reshape(-1, *(1,) * self.dims))])
        at = self.add(
            "MatMul", [self.floats(c.matrix), self.add("Reshape", [away, self.ints(0, c.groups, c.members, -1)])]
        )
        at = self.add("Max", [self.add("Min", [at, self.floats(c.high[..., None])]), self.floats(c.low[..., None])])
        if self.correction.degree < 2:
            return at
        first, second = zip(*pairs(c.members), strict=True)
        chosen = [self.add("Gather", [at, self.ints(*which)], axis=2) for which in (first, second)]
        return self.add("Concat", [at, self.add("Mul", chosen)], axis=2)
