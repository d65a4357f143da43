"""Resize: transposed convolutions give way to the nearest resize-convolutions, sizes kept."""

from __future__ import annotations

import torch
from torch import nn

from flatfield.cure.examples import Examples, Progress
from flatfield.cure.least_squares import Geometry, fit
from flatfield.cure.pytorch.flatten import copied
from flatfield.cure.pytorch.found import Found, find, put
from flatfield.cure.pytorch.sized import SizedResizeConv, conv_weight
from flatfield.cure.pytorch.subject import numbers
from flatfield.cure_report import CurePlan


def resize(
    plan: CurePlan, module: nn.Module, examples: Examples, progress: Progress
) -> tuple[nn.Module, tuple[str, ...]]:
    """Put a nearest resize-convolution with least-squares weights in the place of every layer of the plan, on a copy.

    Output sizes stay for every stride, padding, output padding, dilation and number of groups. Raises `ValueError` for
    a layer that can't be replaced. Source: Odena, Dumoulin & Olah 2016; the fit is in `flatfield.cure.least_squares`.
    """
    cured = copied(module)
    notes = []
    places = find(plan, cured, examples)
    for place, found in enumerate(places):
        progress("resizing", place, len(places))
        new, left = resized(found)
        if found.module is cured:
            cured = new
        else:
            put(cured, found.module, new)
        notes.append(f"{found.step.layer}: {100 * left:.0f}% of its weights (rms) is beyond a resize-convolution")
    progress("resizing", len(places), len(places))
    return cured, tuple(notes)


@torch.no_grad()
def resized(found: Found) -> tuple[SizedResizeConv, float]:
    """Fit the resize-convolution of one layer; gives it with the residual, relative to the weights."""
    layer = found.layer
    geometry = Geometry(
        layer.kernel, layer.stride, tuple(before for before, _ in layer.padding), layer.output_padding,
        layer.dilation, layer.groups,
    )  # fmt: skip
    weight = found.module.get_parameter("weight")
    fitted, left = fit(numbers(weight), geometry)  # type: ignore[arg-type]
    bias = found.module._parameters.get("bias")
    new = SizedResizeConv(geometry, conv_weight(torch.from_numpy(fitted).to(weight), layer.groups), bias)
    new.weight.requires_grad_(weight.requires_grad)
    return new.train(found.module.training), left
