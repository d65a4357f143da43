"""Flatten: the nearest flat weights in the place of those of transposed and sub-pixel convolutions."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import onnx

from flatfield.core import flat_projection, flat_weights
from flatfield.core.taps import Ints
from flatfield.cure.examples import Examples, Progress
from flatfield.cure.onnx.found import Found, change, find, shapes_of
from flatfield.cure.onnx.graph import Graph
from flatfield.cure.onnx.piece import Array
from flatfield.cure_report import CurePlan


def flatten(
    plan: CurePlan, model: onnx.ModelProto, examples: Examples, progress: Progress
) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """Give every layer of the plan the nearest flat weights, on a copy.

    A sub-pixel convolution has the phases of its bias averaged too. Raises `ValueError` for a layer that can't be
    changed. Source: the design, section 3; Sugawara, Shiota & Kiya 2018.
    """
    graph = Graph(model)
    changes: list[tuple[Found, Array, Array | None]] = []
    places = find(plan, graph, shapes_of(examples.batches[0]))
    for place, found in enumerate(places):
        progress("flattening", place, len(places))
        weight = _numbers(graph, found, 1)
        assert weight is not None
        if found.rows is None:
            changes.append((found, flat_weights(weight, found.layer.stride, found.layer.dilation), None))
            continue
        bias = _numbers(graph, found, 2)
        flat = flat_phases(weight[found.rows], found.layer.stride, found.layer.dilation)
        changes.append((found, in_place(flat, found.rows), None if bias is None else _averaged(bias, found)))
    progress("flattening", len(places), len(places))
    return graph.model, change(graph, changes)


def _numbers(graph: Graph, found: Found, place: int) -> npt.NDArray[np.float64] | None:
    name = found.node.input[place] if len(found.node.input) > place else ""
    array = graph.array(name) if name else None
    return None if array is None else array.astype(np.float64)


def flat_phases(weight: Array, scale: Ints, dilation: Ints) -> Array:
    """Flatten the weight of a sub-pixel convolution, (channels * prod(scale), in, *kernel) in PyTorch's order.

    Tap j of phase f stands at `f + s d (k - 1 - j)` (`SubPixelConvolution.as_transposed`).

    >>> flat_phases(np.array([1.0, 3.0]).reshape(2, 1, 1), (2,), (1,)).ravel()
    array([2., 2.])
    """
    dims, kernel = len(scale), weight.shape[2:]
    taps = [
        (np.arange(s)[:, None] + s * d * (k - 1 - np.arange(k))).ravel()
        for s, d, k in zip(scale, dilation, kernel, strict=True)
    ]
    split = weight.reshape(-1, *scale, weight.shape[1], *kernel)
    order = (0, 1 + dims, *(axis for a in range(dims) for axis in (1 + a, 2 + dims + a)))
    rows = split.transpose(order)
    flat = rows.reshape(-1, math.prod(scale) * math.prod(kernel)) @ flat_projection(taps, scale)
    return flat.reshape(rows.shape).transpose(np.argsort(order)).reshape(weight.shape)


def in_place(rows_in_order: Array, rows: npt.NDArray[np.int64]) -> Array:
    """Put rows in PyTorch's order back where the graph has them.

    >>> in_place(np.array([[1.0], [2.0], [3.0]]), np.array([2, 0, 1])).ravel()
    array([2., 3., 1.])
    """
    back = np.empty_like(rows_in_order)
    back[rows] = rows_in_order
    return back


def _averaged(bias: Array, found: Found) -> Array:
    assert found.rows is not None
    phases = math.prod(found.layer.stride)
    means = bias[found.rows].reshape(-1, phases).mean(axis=1)
    return in_place(np.repeat(means, phases), found.rows)
