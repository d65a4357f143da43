"""The probe backwards: what a flat gradient at the output becomes at the input.

The gradient of a strided convolution is a transposed convolution (design, section 3), so saliency maps and the
gradients of a discriminator have grids of their own. On a flat field every mask of a nonlinearity is flat, and a
flat gradient comes back exactly periodic; max pooling sends it where the maximum stands, which is measured over
random inputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
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
from flatfield.readers.visit import map_tensors, tensors_in
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
    with whole.untouched:
        seen = whole.first_pass()
        leaf = _leaf(seen)
        if not seen.maxima and not seen.statistics.over_positions:
            return _exact(whole, leaf)
        return _measured(whole, leaf, random_inputs, seed)


@dataclass(frozen=True)
class _Leaf:
    """The input whose gradient is asked for: its example, its axes of positions, and its period along each."""

    example: torch.Tensor
    axes: Ints
    period: Ints

    @property
    def shape(self) -> list[int]:
        shape = list(self.example.shape)
        for axis, p in zip(self.axes, self.period, strict=True):
            shape[axis] = -(-shape[axis] // p) * p
        return shape

    def flat(self) -> torch.Tensor:
        return self.example.mean(self.axes, keepdim=True).expand(self.shape)

    def noise(self, generator: np.random.Generator) -> torch.Tensor:
        """Normal numbers with the example's mean and deviation, channel by channel."""
        x = self.example
        noise = torch.from_numpy(generator.standard_normal(self.shape, np.float32)).to(x)
        return x.mean(self.axes, keepdim=True) + x.std(self.axes, keepdim=True, correction=0) * noise


def _leaf(seen: FirstPass) -> _Leaf:
    """The first input with positions; its period divides the product of all strides on the way."""
    if not seen.sources():
        raise NoGridError("the module has no input with positions")
    tensor, source = seen.sources()[0]
    if max(source.steps) == 1:
        raise NoGridError("no layer strides: a flat gradient stays flat")
    return _Leaf(tensor, source.axes, source.steps)


def _exact(whole: Subject, leaf: _Leaf) -> GradientReport:
    tile = _middle(_gradient(whole, leaf, leaf.flat()), leaf.period)
    shifts = _some(list(_shifts(tile.period)), SHIFTS)
    moved = Tile(np.mean([np.roll(tile.values, shift, _space(tile.values)) for shift in shifts], axis=0))
    return GradientReport(tile.unevenness, tile.period, 1, None, _left(moved, tile), len(shifts))


def _measured(whole: Subject, leaf: _Leaf, count: int, seed: int) -> GradientReport:
    """Mean and variance of the gradient over random inputs, phase by phase, and what jitter makes of the mean."""
    generator = np.random.default_rng(seed)
    phases: list[Array] = []
    still: list[Array] = []
    moved: list[Array] = []
    shifts = _some(list(_shifts(leaf.period)), SHIFTS)
    for _ in range(count):
        x = leaf.noise(generator)
        phases.append(_phases(_gradient(whole, leaf, x), leaf.period))
        if len(moved) < max(1, count // SHIFTS):
            still.append(phases[-1])
            moved.append(np.mean([_shifted(whole, leaf, x, shift) for shift in shifts], axis=0))
    stacked = np.concatenate(phases)  # (inputs * periods, channels, *period)
    tile = Tile(stacked.mean(axis=0))
    variance = Tile(stacked.var(axis=0))
    left = _left(*(Tile(np.concatenate(each).mean(axis=0)) for each in (moved, still)))
    return GradientReport(tile.unevenness, tile.period, count, variance.unevenness, left, len(shifts))


def _shifted(whole: Subject, leaf: _Leaf, x: torch.Tensor, shift: Ints) -> Array:
    gradient = _gradient(whole, leaf, x.roll(shift, leaf.axes))
    return _phases(gradient.roll(tuple(-s for s in shift), tuple(range(-len(shift), 0))), leaf.period)


def _gradient(whole: Subject, leaf: _Leaf, x: torch.Tensor) -> torch.Tensor:
    """The gradient of the sum of all outputs at an input, on the torus that the input is; positions come last."""
    put = x.detach().clone().requires_grad_(True)
    mode = Backward()

    def fed(tensor: torch.Tensor) -> torch.Tensor:
        return put if tensor is leaf.example else tensor

    with whole.untouched, torch.enable_grad(), mode:
        inputs, keywords = map_tensors(whole.inputs, fed), map_tensors(dict(whole.keywords), fed)
        outputs = tensors_in(whole.module(*inputs, **keywords))
        result = next((t for t in outputs if t.requires_grad), None)
        if result is None:
            raise ValueError("no output has a gradient to the input: is the network run without gradients?")
        mode.returning = True
        (found,) = torch.autograd.grad(result.sum(), put)
    return found.detach().movedim(leaf.axes, tuple(range(-len(leaf.axes), 0)))


def _phases(gradient: torch.Tensor, period: Ints) -> Array:
    """Cut (batch, channels, *space) into periods: (periods, channels, *period)."""
    dims = len(period)
    array = gradient.to("cpu", torch.float64).numpy()
    array = array.reshape(array.shape[0], -1, *array.shape[-dims:])
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
