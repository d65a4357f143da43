"""Piece: nodes and constants on the way into a graph; alone, a small model that can be timed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

Array = npt.NDArray[Any]
_END = np.iinfo(np.int64).max


@dataclass
class Piece:
    """Nodes in order, with the constants they read; every new name begins with `prefix`."""

    prefix: str
    opset: int
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    arrays: dict[str, Array] = field(default_factory=dict)

    def constant(self, array: Array, name: str) -> str:
        """Add a constant; gives its name."""
        full = f"{self.prefix}{name}"
        while full in self.arrays:
            full += "_"
        self.arrays[full] = array
        return full

    def ints(self, numbers: Sequence[int], name: str) -> str:
        """Add whole numbers as a constant."""
        return self.constant(np.array(list(numbers), np.int64), name)

    def add(self, operator: str, inputs: Sequence[str], **attributes: Any) -> str:
        """Add a node; gives the name of its output."""
        name = f"{self.prefix}{operator}_{len(self.nodes)}"
        given = {key: value for key, value in attributes.items() if value is not None}
        self.nodes.append(helper.make_node(operator, list(inputs), [f"{name}_out"], name, **given))
        return f"{name}_out"

    def end(self, x: str, output: str, *, like: onnx.NodeProto | None = None) -> None:
        """Let what is called `x` be called `output`; the node that writes it takes the name of `like`."""
        last = self.nodes[-1]
        if last.output[0] != x:
            self.add("Identity", [x])
            last = self.nodes[-1]
        last.output[0] = output
        if like is not None:
            last.doc_string = like.doc_string

    def crop(self, x: str, pairs: Sequence[tuple[int, int]]) -> str:
        """Cut (before, after) off the spatial axes, whatever their sizes are; nothing to cut adds nothing."""
        axes = [2 + axis for axis, pair in enumerate(pairs) if any(pair)]
        if not axes:
            return x
        starts = [pairs[axis - 2][0] for axis in axes]
        ends = [-pairs[axis - 2][1] if pairs[axis - 2][1] else _END for axis in axes]
        if self.opset < 10:
            return self.add("Slice", [x], starts=starts, ends=ends, axes=axes)
        names = [self.ints(starts, "starts"), self.ints(ends, "ends"), self.ints(axes, "axes")]
        return self.add("Slice", [x, *names])

    def pad(self, x: str, pairs: Sequence[tuple[int, int]], mode: str) -> str:
        """Pad the spatial axes by (before, after); nothing to pad adds nothing."""
        if not any(map(any, pairs)):
            return x
        amounts = [0, 0, *(before for before, _ in pairs), 0, 0, *(after for _, after in pairs)]
        if self.opset < 11:
            return self.add("Pad", [x], mode=mode, pads=amounts)
        return self.add("Pad", [x, self.ints(amounts, "pads")], mode=mode)

    def alone(self, x: str, output: str, kind: int, ir_version: int) -> onnx.ModelProto:
        """Give the piece as a model that reads `x` and gives `output`, both of open sizes."""
        graph = helper.make_graph(
            self.nodes,
            "piece",
            [helper.make_tensor_value_info(x, kind, None)],
            [helper.make_tensor_value_info(output, kind, None)],
            [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in self.arrays.items()],
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=ir_version)
