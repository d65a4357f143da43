"""ICNR: the kernel of the first phase in the place of those of all phases of a sub-pixel convolution."""

from __future__ import annotations

import math

import numpy as np
import onnx

from flatfield.cure.examples import Examples, Progress
from flatfield.cure.onnx.flatten import in_place
from flatfield.cure.onnx.found import change, find, shapes_of
from flatfield.cure.onnx.graph import Graph
from flatfield.cure_report import CurePlan


def icnr(
    plan: CurePlan, model: onnx.ModelProto, examples: Examples, progress: Progress
) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """Give all phases of every planned sub-pixel convolution one kernel and one bias, those of the first; on a copy.

    Raises `ValueError` for a layer that can't be changed. Source: Aitken et al. 2017 (arXiv 1707.02937).
    """
    graph, changes = Graph(model), []
    places = find(plan, graph, shapes_of(examples.batches[0]))
    for place, found in enumerate(places):
        progress("copying phases", place, len(places))
        if found.rows is None:
            raise ValueError(f"icnr can't change {found.step.layer}: it is no sub-pixel convolution")
        phases, rows = math.prod(found.layer.stride), found.rows
        arrays = [graph.array(name) for name in found.node.input[1:3]]
        alike = [in_place(np.repeat(a[rows][::phases], phases, axis=0), rows) for a in arrays if a is not None]
        changes.append((found, alike[0], alike[1] if len(alike) > 1 else None))
    progress("copying phases", len(places), len(places))
    return graph.model, change(graph, changes)
