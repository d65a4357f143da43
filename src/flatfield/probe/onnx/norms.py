"""Normalisation in an ONNX graph with statistics frozen from a run on the example input."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from flatfield.probe.onnx.model import Array
from flatfield.probe.onnx.node import OnnxNode

OVER_POSITIONS = frozenset(("InstanceNormalization", "GroupNormalization", "LayerNormalization"))
"""Operators whose statistics are taken over positions; batch normalisation keeps its own in a file."""


def frozen(node: OnnxNode, found: Mapping[str, Array]) -> str | None:
    """Write the node as an affine map with the example's mean and deviation; None where its own are right.

    `found` holds the example's numbers at the node's input. Layer normalisation of every position by itself is a
    function of that position's channels: nothing to freeze.
    """
    x = found.get(node.input())
    if x is None:
        return None
    axes, groups = _axes(node, x)
    if groups is None and not any(node.periods()[axis] > 0 for axis in axes) and node.operator == "LayerNormalization":
        return None
    seen = x.reshape(x.shape[0], groups, -1) if groups else x
    over = (2,) if groups else axes
    mean = seen.mean(axis=over, keepdims=True, dtype=np.float64)
    epsilon = float(node.attributes.get("epsilon", 1e-5))
    scale = 1.0 / np.sqrt(seen.var(axis=over, keepdims=True, dtype=np.float64) + epsilon)
    into, name = node.into, node.into.name(node.input())
    if groups:
        spread = x.shape[1] // groups
        shape = (x.shape[0], x.shape[1], *(1,) * (x.ndim - 2))
        mean, scale = (np.repeat(a, spread, axis=1).reshape(shape) for a in (mean, scale))
    name = into.add("Sub", [name, into.constant(mean.astype(x.dtype))])
    name = into.add("Mul", [name, into.constant(scale.astype(x.dtype))])
    return _affine(node, name, x.ndim)


def _axes(node: OnnxNode, x: Array) -> tuple[tuple[int, ...], int | None]:
    if node.operator == "LayerNormalization":
        return tuple(range(int(node.attributes.get("axis", -1)) % x.ndim, x.ndim)), None
    if node.operator == "GroupNormalization":
        return tuple(range(2, x.ndim)), int(node.attributes["num_groups"])
    return tuple(range(2, x.ndim)), None


def _affine(node: OnnxNode, name: str, rank: int) -> str:
    """The learned scale and bias, one a channel (of layer normalisation one an entry)."""
    for operator, given in zip(("Mul", "Add"), node.proto.input[1:3], strict=False):
        if not given:
            continue
        other = node.into.name(given)
        if node.operator != "LayerNormalization":
            shape = node.into.constant(np.array([1, -1, *(1,) * (rank - 2)], np.int64))
            other = node.into.add("Reshape", [other, shape])
        name = node.into.add(operator, [name, other])
    return name
