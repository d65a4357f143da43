"""The probe backwards in ONNX Runtime: what a flat gradient at the output becomes at the input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flatfield.core.taps import Ints
from flatfield.probe.gradient_grid import INPUTS, Gradient, Leaf, exact, measured
from flatfield.probe.onnx.adjoint import write_gradient
from flatfield.probe.onnx.adjoint_layers import FLATTENED
from flatfield.probe.onnx.begin import FIELD, Begin
from flatfield.probe.onnx.look import Look, settings
from flatfield.probe.onnx.model import Session
from flatfield.probe.onnx.node import OnnxNode, Rewriting
from flatfield.probe.onnx.norms import OVER_POSITIONS
from flatfield.probe.onnx.rewrite import rewrite
from flatfield.probe.period import OTHER, Periods
from flatfield.probe.unhonoured import NoGridError
from flatfield.report import GradientReport

_MAXIMA = ("MaxPool", "GlobalMaxPool")


def onnx_gradient(look: Look, *, random_inputs: int = INPUTS, seed: int = 0) -> GradientReport:
    """Send a flat gradient back through a graph and say how uneven it arrives at the (first) input.

    Exactly, on one flat field, or over random inputs where there are maxima or statistics over positions, as
    `probe_gradient` does for a PyTorch module. Raises `NoGridError` where no input has positions or nothing strides,
    `ValueError` with the reason where the gradient can't be told.
    """
    if not look.sources:
        raise NoGridError("the graph has no input with positions")
    name, source = next(iter(look.sources.items()))
    if max(source.steps) == 1:
        raise NoGridError("no layer strides: a flat gradient stays flat")
    leaf = Leaf(np.asarray(look.found[name]), source.axes, source.steps)
    operators = {proto.op_type for proto in look.model.proto.graph.node}
    if operators.isdisjoint((*_MAXIMA, *OVER_POSITIONS - {"LayerNormalization"})):
        return exact(leaf, Backwards(look, name, leaf, random=False).gradient())
    return measured(leaf, Backwards(look, name, leaf, random=True).gradient(), random_inputs, seed)


@dataclass(frozen=True)
class Backwards:
    """A graph with its gradient, on a flat field or, `random`, on whole toruses of anything.

    `flatten` makes the gradient flat at the last layer, whatever a fully connected head has made of it.
    """

    look: Look
    name: str
    leaf: Leaf
    random: bool
    flatten: bool = True

    def gradient(self) -> Gradient:
        """Write the graph once; every input is one run."""
        field = FIELD + self.name
        session, wanted = self._written(field)

        def gradient_of(x: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
            found: npt.NDArray[np.floating] = session.outputs({field: x.astype(self.leaf.example.dtype)})[wanted]
            return found

        return gradient_of

    def _written(self, field: str) -> tuple[Session, str]:
        model, begin = self.look.model, Begin("input", {self.name: self.leaf.axes}, -1, self.leaf.period)
        fields = {field: self.leaf.flat()}
        shapes, told = model.shapes_and(settings(model), begin.nodes(model), fields)
        written = rewrite(model, shapes, self._found(told), begin, {field: self._periods()}, strict=True)
        into = written.into
        nodes = [OnnxNode.of(begin.put(i, proto), into) for i, proto in enumerate(model.proto.graph.node)]
        self._refuse_unhonoured(into, nodes)
        output = next((v.name for v in model.proto.graph.output if v.name in into.known), None)
        if output is None:
            raise ValueError("no output comes from the input")
        kind = self.leaf.example.dtype
        wanted = write_gradient(into, nodes, output, field, opset=model.opset, dtype=kind, flatten=self.flatten)
        off = {flag: np.array(False) for flag in written.flags}
        return model.run(into.nodes, into.constants, [wanted], {**fields, **off}), wanted

    def _refuse_unhonoured(self, into: Rewriting, nodes: list[OnnxNode]) -> None:
        """Refuse what is no layer of a torus, up to the last one: a head behind that may know every position."""
        last = max((i for i, node in enumerate(nodes) if node.operator in FLATTENED), default=len(nodes))
        before = {node.label for node in nodes[: last + 1]}
        for entry in into.ledger.entries.values():
            if entry.name in before:
                raise ValueError(f"not honoured: {entry.name} ({entry.operator}): {entry.reason}")

    def _found(self, told: Mapping[str, npt.NDArray[np.generic]]) -> dict[str, npt.NDArray[np.generic]]:
        """Numbers for the rewriting, without what normalisations saw in the example: they take their own statistics."""
        own = {n.input[0] for n in self.look.model.proto.graph.node if n.op_type in OVER_POSITIONS}
        return {**{name: value for name, value in self.look.found.items() if name not in own}, **told}

    def _periods(self) -> Periods:
        shape: Ints = self.leaf.shape
        own = {axis: shape[axis] if self.random else 1 for axis in self.leaf.axes}
        return tuple(own.get(axis, OTHER) for axis in range(len(shape)))
