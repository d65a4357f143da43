"""The probe backwards: what a flat gradient at the output becomes at the input.

The gradient of a strided convolution is a transposed convolution (design, section 3), so saliency maps and the
gradients of a discriminator have grids of their own. On a flat field every mask of a nonlinearity is flat, and a
flat gradient comes back exactly periodic; max pooling sends it where the maximum stands, which is measured over
random inputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from flatfield.core.taps import Ints
from flatfield.probe.backward import Backward
from flatfield.probe.first_pass import FirstPass
from flatfield.probe.passage import Subject, subject
from flatfield.probe.tile import Tile
from flatfield.probe.unhonoured import NoGridError
from flatfield.probe.untouched import untouched
from flatfield.readers.visit import tensors_in
from flatfield.report import GradientReport

INPUTS = 32
SHIFTS = 8
Array = npt.NDArray[np.float64]


def probe_gradient(
    module: nn.Module,
    inputs: Sequence[Any] | torch.Tensor,
    *,
    keywords: Mapping[str, Any] | None = None,
    random_inputs: int = INPUTS,
    seed: int = 0,
) -> GradientReport:
    """Send a flat gradient back through a module and say how uneven it arrives at the (first) input.

    Without max pooling one flat field decides it exactly. With it, or where a normalisation takes its statistics over
    positions, `random_inputs` inputs with the example's mean
    and deviation are run: the mean gradient over them, and its variance, each averaged phase by phase. What is left
    of the grid's rms when gradients are averaged over some shifts of the input within a period ("jitter") is measured
    too. Nothing of the module is changed. Padding of convolutions and pools is wrapped round; of a network with other
    paddings, or none, the period in the middle is taken. Raises `NoGridError` where the module has no input with
    positions or nothing strides.

    >>> module = nn.Conv1d(1, 1, 3, stride=2, bias=False)
    >>> _ = nn.init.ones_(module.weight)
    >>> report = probe_gradient(module, torch.ones(1, 1, 8))
    >>> report.period, round(report.unevenness, 4)
    ((2,), 0.3162)
    """
    whole = subject(module, inputs, keywords)
    seen = whole.first_pass()
    period = _period(whole, seen)
    size = tuple(-(-n // p) * p for n, p in zip(whole.spatial_sizes()[0], period, strict=True))
    if not seen.maxima and not seen.statistics.over_positions:
        tile = _middle(_gradient(whole, _flat(whole, size), period), period)
        shifts = _some(list(_shifts(tile.period)), SHIFTS)
        moved = Tile(np.mean([np.roll(tile.values, shift, _space(tile.values)) for shift in shifts], axis=0))
        return GradientReport(tile.unevenness, tile.period, 1, None, _left(moved, tile), len(shifts))
    return _measured(whole, size, period, random_inputs, seed)


def _measured(whole: Subject, size: Ints, period: Ints, count: int, seed: int) -> GradientReport:
    """Mean and variance of the gradient over random inputs, phase by phase, and what jitter makes of the mean."""
    generator = torch.Generator().manual_seed(seed)
    phases: list[Array] = []
    still: list[Array] = []
    moved: list[Array] = []
    shifts = _some(list(_shifts(period)), SHIFTS)
    for _ in range(count):
        x = _noise(whole, size, generator)
        phases.append(_phases(_gradient(whole, x, period), period))
        if len(moved) < max(1, count // SHIFTS):
            still.append(phases[-1])
            moved.append(np.mean([_shifted(whole, x, shift, period) for shift in shifts], axis=0))
    stacked = np.concatenate(phases)  # (inputs * periods, channels, *period)
    tile = Tile(stacked.mean(axis=0))
    variance = Tile(stacked.var(axis=0))
    left = _left(*(Tile(np.concatenate(each).mean(axis=0)) for each in (moved, still)))
    return GradientReport(tile.unevenness, tile.period, count, variance.unevenness, left, len(shifts))


def _shifted(whole: Subject, x: torch.Tensor, shift: Ints, period: Ints) -> Array:
    axes = tuple(range(x.dim() - len(shift), x.dim()))
    gradient = _gradient(whole, x.roll(shift, axes), period)
    return _phases(gradient.roll(tuple(-s for s in shift), axes), period)


def _gradient(whole: Subject, x: torch.Tensor, period: Ints) -> torch.Tensor:
    """The gradient of the sum of all outputs at an input, on the torus that the input is."""
    leaf = x.detach().clone().requires_grad_(True)
    mode = Backward()
    mode.known[leaf] = (0,) * (leaf.dim() - len(period)) + tuple(leaf.shape[-len(period) :])
    place = iter([leaf])
    with untouched(whole.module, (whole.inputs, whole.keywords)), torch.enable_grad(), mode:
        arguments = [next(place, t) if _spatial(t) else t for t in whole.inputs]
        keywords = {k: next(place, t) if _spatial(t) else t for k, t in whole.keywords.items()}
        outputs = tensors_in(whole.module(*arguments, **keywords))
        result = next((t for t in outputs if t.requires_grad), None)
        if result is None:
            raise ValueError("no output has a gradient to the input: is the network run without gradients?")
        (found,) = torch.autograd.grad(result.sum(), leaf)
    return found.detach()


def _spatial(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.dim() > 2 and value.is_floating_point()


def _example(whole: Subject) -> torch.Tensor:
    found: torch.Tensor = next(t for t in (*whole.inputs, *whole.keywords.values()) if _spatial(t))
    return found


def _flat(whole: Subject, size: Ints) -> torch.Tensor:
    x = _example(whole)
    return x.mean(tuple(range(2, x.dim())), keepdim=True).expand(*x.shape[:2], *size)


def _noise(whole: Subject, size: Ints, generator: torch.Generator) -> torch.Tensor:
    x = _example(whole)
    space = tuple(range(2, x.dim()))
    noise = torch.randn((*x.shape[:2], *size), generator=generator).to(x)
    return x.mean(space, keepdim=True) + x.std(space, keepdim=True, correction=0) * noise


def _period(whole: Subject, seen: FirstPass) -> Ints:
    """The product of all strides on the way: what divides the grid's period."""
    sizes = whole.spatial_sizes()
    if not sizes:
        raise NoGridError("the module has no input with positions")
    least = seen.smallest.get(len(sizes[0]))
    if least is None:
        raise NoGridError("no layer looks at positions")
    strides = seen.strides.get(len(sizes[0]), (1,) * len(sizes[0]))
    if max(strides) == 1:
        raise NoGridError("no layer strides: a flat gradient stays flat")
    return tuple(strides)


def _phases(gradient: torch.Tensor, period: Ints) -> Array:
    """Cut (batch, channels, *space) into periods: (periods, channels, *period)."""
    array = gradient.to("cpu", torch.float64).numpy()
    dims = len(period)
    cut = [n for size, p in zip(array.shape[-dims:], period, strict=True) for n in (size // p, p)]
    parts = array.reshape(array.shape[0], array.shape[1], *cut)
    counts = tuple(range(2, 2 + 2 * dims, 2))
    moved = np.moveaxis(parts, counts, range(1, 1 + dims))
    return np.asarray(moved.reshape(-1, array.shape[1], *period))


def _shifts(period: Ints) -> Iterator[Ints]:
    return (tuple(int(i) for i in shift) for shift in np.ndindex(*period))


def _some(shifts: list[Ints], most: int) -> list[Ints]:
    """At most `most` shifts, spread over all of them so that every axis is shifted."""
    if len(shifts) <= most:
        return shifts
    chosen = np.random.default_rng(0).permutation(len(shifts))[:most]
    return [shifts[i] for i in sorted(chosen)]


def _space(values: Array) -> tuple[int, ...]:
    return tuple(range(1, values.ndim))


def _left(after: Tile, before: Tile) -> float:
    """What is left of a grid, as a ratio of rms."""
    return float(np.sqrt(after.power / before.power)) if before.power > 0 else 0.0


def _middle(gradient: torch.Tensor, period: Ints) -> Tile:
    """The period in the middle: all are the same, but for a network without padding, which ends at its borders."""
    for axis, p in enumerate(period, start=gradient.dim() - len(period)):
        count = gradient.shape[axis] // p
        gradient = gradient.narrow(axis, count // 2 * p, p)
    array = gradient.to("cpu", torch.float64).numpy()
    return Tile(array.reshape(-1, *period))
