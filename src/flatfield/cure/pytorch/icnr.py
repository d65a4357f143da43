"""ICNR: sub-pixel convolutions start again as nearest interpolation of a convolution."""

from __future__ import annotations

from torch import nn

from flatfield.cure.examples import Examples, Progress
from flatfield.cure.pytorch.flatten import copied
from flatfield.cure.pytorch.found import find
from flatfield.cure_report import CurePlan
from flatfield.nn import icnr_


def icnr(
    plan: CurePlan, module: nn.Module, examples: Examples, progress: Progress
) -> tuple[nn.Module, tuple[str, ...]]:
    """Copy the kernel of the first phase to all phases in every layer of the plan, on a copy.

    For models about to be trained: training may leave this start. Raises `ValueError` for a layer that can't be
    changed. Source: Aitken et al. 2017 (arXiv 1707.02937).
    """
    cured = copied(module)
    places = find(plan, cured, examples)
    for place, found in enumerate(places):
        progress("ICNR", place, len(places))
        icnr_(found.module.get_parameter("weight"), found.layer.stride, bias=found.module._parameters.get("bias"))
    progress("ICNR", len(places), len(places))
    return cured, ()
