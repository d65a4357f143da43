"""Gradients at the input of a network that goes down in resolution, and how much of a grid they have."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from flatfield.lab.draw import generator_of

SHIFTS = 16
"""At most so many shifts stand for all of a jitter."""


def gradient(classifier: nn.Module, pictures: Tensor) -> Tensor:
    """Give the gradient of each picture's highest logit with respect to its pixels, (n, 3, h, w)."""
    inputs = pictures.clone().requires_grad_()
    highest = classifier(inputs).max(dim=1).values.sum()
    (slope,) = torch.autograd.grad(highest, inputs)
    return slope


def jittered(classifier: nn.Module, pictures: Tensor, jitter: int) -> Tensor:
    """Average gradients over shifts of the picture by 0 to `jitter` pixels along each axis, each shifted back.

    Up to `SHIFTS` of the (jitter + 1)^2 shifts, drawn without repetition; 0 is the plain gradient.
    """
    every = (jitter + 1) ** 2
    chosen = torch.randperm(every, generator=generator_of("jitter", jitter))[:SHIFTS].tolist()
    total = torch.zeros_like(pictures)
    for shift in chosen:
        by = divmod(shift, jitter + 1)
        shifted = gradient(classifier, pictures.roll(by, (2, 3)))
        total += shifted.roll((-by[0], -by[1]), (2, 3))
    return total / len(chosen)


def phase_power(gradients: Tensor, period: int) -> Tensor:
    """Average the squared gradient at every phase, (period, period); what does not fill a tile is cut off.

    >>> phase_power(torch.tensor([2.0, 1.0]).repeat(4).expand(1, 1, 8, 8), 2).tolist()
    [[4.0, 1.0], [4.0, 1.0]]
    """
    n, c, height, width = gradients.shape
    rows, columns = height // period, width // period
    cut = gradients[:, :, : rows * period, : columns * period].double()
    # every picture counts alike, however steep its logit is
    cut = cut / cut.square().mean((1, 2, 3), keepdim=True).sqrt().clamp_min(1e-30)
    whole = gradients.double().square().mean()
    tiles = cut.square().reshape(n, c, rows, period, columns, period).mean((0, 1, 2, 4))
    return tiles * whole


def power_unevenness(gradients: Tensor, period: int) -> float:
    """Give the deviation of the power over the phases, relative to its mean: 0 is even.

    Pictures are few, so chance leaves something: the same with a period that no network has tells how much.

    >>> round(power_unevenness(torch.tensor([2.0, 1.0]).repeat(4).expand(1, 1, 8, 8), 2), 3)
    0.6
    """
    power = phase_power(gradients, period)
    mean = float(power.mean())
    return math.sqrt(float((power - power.mean()).square().mean())) / mean if mean > 0 else 0.0
