"""Channels mixed at low resolution: few products of matrices, then shifted sums, in bands that fit the cache."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from flatfield.nn.ways.grid import Grid
from flatfield.nn.ways.terms import Plan


def matrices(weight: Tensor, plan: Plan) -> Tensor:
    """Sum the taps of `weight` (out, in, *kernel) into one matrix a term: (terms, in, last kernel * out)."""
    dims = weight.dim() - 2
    taps = weight.permute(*range(2, 1 + dims), 1, 1 + dims, 0)
    selection = weight.new_tensor(plan.selection())
    summed = selection @ taps.reshape(selection.shape[1], -1)
    return summed.view(len(plan.terms), weight.shape[1], weight.shape[-1] * weight.shape[0])


def taps_gradient(gradient: Tensor, weight: Tensor, plan: Plan) -> Tensor:
    """Carry a gradient of `matrices` back to the weight."""
    dims = weight.dim() - 2
    taps = gradient.new_tensor(plan.selection()).t() @ gradient.reshape(len(plan.terms), -1)
    shape = (*weight.shape[2:-1], weight.shape[1], weight.shape[-1], weight.shape[0])
    return taps.view(shape).permute(dims + 1, dims - 1, *range(dims - 1), dims)


def _tables(flat: Tensor, start: int, length: int, plan: Plan) -> dict[tuple[bool, ...], Tensor]:
    """The band itself and its differences along every set of leading axes, as far as the terms read."""
    tables: dict[tuple[bool, ...], Tensor] = {}
    for term in plan.terms:
        if term.differenced not in tables:
            steps = plan.steps(term.differenced)
            table = flat.narrow(0, start, length + plan.extent(term.differenced) + sum(steps))
            for step in steps:
                table = table[step:] - table[:-step]
            tables[term.differenced] = table
    return tables


def _multiply(maps: Tensor, tables: dict[tuple[bool, ...], Tensor], weights: Tensor, plan: Plan) -> None:
    """Add every term to `maps` (lead phases, positions, last kernel * out); `maps[0]` holds the bias."""
    length = maps.shape[1]
    for index, (term, weight) in enumerate(zip(plan.terms, weights, strict=True)):
        source = tables[term.differenced].narrow(0, term.place, length)
        if index == 0:  # the sum of all taps reaches every phase
            maps[0].addmm_(source, weight)
            maps[1:] = maps[0]
        elif len(term.phases) == 1:
            maps[term.phases[0]].addmm_(source, weight)
        else:
            shared = torch.mm(source, weight)
            for phase in term.phases:
                maps[phase] += shared


def _shift_and_add(maps: Tensor, out: Tensor, plan: Plan) -> None:
    """Write the phases of the last axis: `out[n, g] = sum over t of maps[n + shift(g, t), t]`."""
    last = plan.last
    # positions innermost: writing every second number is slow, but pairs can be written as complex numbers
    pairs = out.stride(-1) != 1 and out.dtype in (torch.float32, torch.float64)
    if pairs and last.scale == 1 and [axis.scale for axis in plan.lead] == [2] and last.kernel == 1:
        torch.complex(maps[0], maps[1], out=torch.view_as_complex(out.movedim(0, -1)))
        return
    pairs = pairs and last.scale == 2
    written = []
    for g in range(last.scale):
        shifts = [last.shift(g, t) - last.low for t in range(last.kernel)]
        taps = [maps.narrow(-3, shift, out.shape[-3]).select(-2, t) for t, shift in enumerate(shifts)]
        if pairs:
            written.append(_sum(taps, None))
        else:
            _sum(taps, out.select(-2, g))
    if pairs:
        torch.complex(written[0], written[1], out=torch.view_as_complex(out.movedim(-2, -1)))


def _sum(taps: list[Tensor], out: Tensor | None) -> Tensor:
    if len(taps) == 1:
        return taps[0] if out is None else out.copy_(taps[0])
    total = torch.add(taps[0], taps[1], out=out)
    for tap in taps[2:]:
        total += tap
    return total


def forward(x: Tensor, weights: Tensor, bias: Tensor | None, plan: Plan, channels_last: bool) -> Tensor:
    """Compute the nearest resize-convolution of `plan`, (batch, out, *cells * scale).

    `weights` are the `matrices` of the weight.
    """
    columns = weights.shape[-1]
    grid = Grid(plan, x.shape[0], x.dtype, x.device, channels_last)
    flat = grid.place(x)
    y = grid.output(columns // plan.last.kernel)
    first = x.new_zeros(columns)
    if bias is not None:  # every phase of the last axis adds each of its taps once
        first[: len(bias)] = bias
    buffer = x.new_empty(0, 0, 0)
    for band in grid.bands(columns * plan.lead_phases):
        row, start = grid.origin(band)
        length = math.prod(grid.lines(band))
        if buffer.shape[1] != length:
            buffer = grid.empty(plan.lead_phases, length, columns)
        buffer[0] = first
        _multiply(buffer, _tables(flat[row], start, length, plan), weights, plan)
        _shift_and_add(grid.maps(buffer, band), grid.phases(y, band), plan)
    return y


def backward(
    gradient: Tensor,
    x: Tensor,
    weights: Tensor,
    plan: Plan,
    channels_last: bool,
    *,
    wanted: tuple[bool, bool] = (True, True),
) -> tuple[Tensor | None, Tensor | None]:
    """Carry the gradient of `forward` back to `x` and to `weights`, each if wanted; the same products."""
    columns = weights.shape[-1]
    grid = Grid(plan, x.shape[0], x.dtype, x.device, channels_last)
    flat, flat_gradient = grid.place(x), grid.blank(x.shape[1])
    weights_gradient = torch.zeros_like(weights)
    buffer = x.new_empty(0, 0, 0)
    for band in grid.bands(columns * plan.lead_phases):
        row, start = grid.origin(band)
        length = math.prod(grid.lines(band))
        if buffer.shape[1] != length:
            buffer = grid.empty(plan.lead_phases, length, columns)
        buffer.zero_()
        _gather(grid.maps(buffer, band), grid.phases(gradient, band), plan)
        sums = _phase_sums(buffer, plan)
        if wanted[1]:
            tables = _tables(flat[row], start, length, plan)
            for into, shared, term in zip(weights_gradient, sums, plan.terms, strict=True):
                into.addmm_(tables[term.differenced].narrow(0, term.place, length).t(), shared)
        if wanted[0]:
            _scatter(flat_gradient[row], start, sums, weights, plan)
    if not wanted[0]:
        return None, weights_gradient
    x_gradient = torch.zeros_like(x)
    grid.seen(x_gradient).copy_(grid.window(flat_gradient))
    return x_gradient, weights_gradient if wanted[1] else None


def _phase_sums(maps: Tensor, plan: Plan) -> list[Tensor]:
    """What each term's product meets on the way back: the sum over the phases that it was added to."""
    sums = []
    for term in plan.terms:
        total = maps[term.phases[0]]
        for phase in term.phases[1:]:
            total = total + maps[phase]
        sums.append(total)
    return sums


def _scatter(flat: Tensor, start: int, sums: list[Tensor], weights: Tensor, plan: Plan) -> None:
    """Transpose `_tables` and `_multiply`: add a band's share of the gradient of `x` to the grid."""
    length = len(sums[0])
    for differenced in dict.fromkeys(term.differenced for term in plan.terms):
        steps = plan.steps(differenced)
        size = length + plan.extent(differenced)
        table = torch.zeros_like(flat.narrow(0, start, size))
        for shared, weight, term in zip(sums, weights, plan.terms, strict=True):
            if term.differenced == differenced:
                table.narrow(0, term.place, length).addmm_(shared, weight.t())
        for step in steps:
            size += step
            wider = torch.zeros_like(flat.narrow(0, start, size))
            wider[step:] += table
            wider[:-step] -= table
            table = wider
        flat.narrow(0, start, size).add_(table)


def _gather(maps: Tensor, gradient: Tensor, plan: Plan) -> None:
    """Transpose `_shift_and_add`: add every phase of the last axis to the taps that wrote it."""
    last = plan.last
    for g in range(last.scale):
        source = gradient.select(-2, g)
        for t in range(last.kernel):
            maps.narrow(-3, last.shift(g, t) - last.low, source.shape[-2]).select(-2, t).add_(source)
