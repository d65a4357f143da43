"""Adjoint: the gradient of an ONNX graph's output at an input, written as further nodes behind the graph.

ONNX Runtime runs graphs, it does not differentiate them. So the vector-Jacobian product of every operator on the way
is written down as nodes, last to first: reverse mode, one table of rules a kind of operator. What has no rule is named.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from flatfield.probe.onnx import adjoint_layers, adjoint_norms, adjoint_pointwise, adjoint_views
from flatfield.probe.onnx.adjoint_layers import FLATTENED
from flatfield.probe.onnx.back import Arriving, Back, NoAdjointError, Rule
from flatfield.probe.onnx.node import OnnxNode, Rewriting
from flatfield.probe.period import OTHER, together

RULES: dict[str, Rule] = {
    **adjoint_pointwise.ADJOINTS, **adjoint_views.ADJOINTS, **adjoint_norms.ADJOINTS,
    **adjoint_layers.ADJOINTS,
}  # fmt: skip


def write_gradient(
    into: Rewriting,
    nodes: Sequence[OnnxNode],
    output: str,
    leaf: str,
    *,
    opset: int,
    dtype: np.dtype[Any],
    flatten: bool = True,
) -> str:
    """Write the gradient of the sum of `output` at `leaf`; gives its name.

    The first layer that it meets gets it flattened, if asked, as in PyTorch's probe. Raises `NoAdjointError` for an
    operator without a rule, and where nothing leads from the leaf to the output.
    """
    shape, forward = into.shapes[output], into.known[output]
    ones = into.constant(np.ones(shape, dtype))
    arrived = {output: Arriving(ones, tuple(1 if p > 0 else OTHER for p in forward))}
    flat = not flatten
    for node in reversed(nodes):
        found = [name for name in node.proto.output if name in arrived]
        if not found or not any(name in into.known for name in node.proto.input):
            continue
        rule = RULES.get(node.operator)
        if rule is None or found != [node.proto.output[0]]:
            raise NoAdjointError(f"no gradient through {node.label} ({node.operator}) is known here")
        behind = arrived.pop(found[0])
        if node.operator in FLATTENED and not flat:
            flat = True
            name = into.flattened(behind.name, node.output_shape, (OTHER,) * len(node.output_shape))
            behind = Arriving(name, (OTHER, OTHER, *(1,) * (len(node.output_shape) - 2)))
        try:
            sent = rule(Back(node, behind.name, behind.periods, opset, dtype))
        except NoAdjointError as error:
            raise NoAdjointError(f"no gradient through {node.label} is known here: {error}") from None
        for place, gradient in sent.items():
            _add(into, arrived, node.input(place), gradient)
    if leaf not in arrived:
        raise NoAdjointError("no output has a gradient to the input")
    return arrived[leaf].name


def _add(into: Rewriting, arrived: dict[str, Arriving], name: str, gradient: Arriving) -> None:
    before = arrived.get(name)
    if before is not None:
        shape = into.shapes[name]
        total = into.add("Add", [before.name, gradient.name])
        gradient = Arriving(total, together(shape, [(shape, before.periods), (shape, gradient.periods)]))
    arrived[name] = gradient
