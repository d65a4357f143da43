"""Layers that nobody called by name: what a row of reshapes and permutations adds up to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from flatfield.core import ungroup
from flatfield.core.taps import Ints
from flatfield.network import Layer, Operator, Weight
from flatfield.readers.axes import Atom, Axes, Axis, Role, size

_PHASES: frozenset[Role] = frozenset({"channel", "constant", "copy", "zero"})


def _inner_digits(axis: Axis, roles: frozenset[Role]) -> tuple[Atom, ...]:
    """The digits of some roles that stand behind all positions of one index: the phases of an upsampling."""
    space = [i for i, atom in enumerate(axis) if atom.role == "space"]
    behind = axis[len(space) :]
    leading = space == list(range(len(space)))
    single = len({axis[i].number for i in space}) == 1
    return behind if leading and single and all(atom.role in roles for atom in behind) else ()


def _inner_of_one_kind(axes: Axes, role: Role) -> list[tuple[Atom, ...]] | None:
    inner = [_inner_digits(axis, _PHASES) for axis in axes]
    return inner if {atom.role for digits in inner for atom in digits} == {role} else None


def _upsampling(operator: Operator, name: str, axes: Axes, inner: Sequence[Sequence[Atom]]) -> Layer:
    places = [i for i, axis in enumerate(axes) if any(atom.role == "space" for atom in axis)]
    stride = tuple(math.prod(atom.size for atom in inner[i]) for i in places)
    output = tuple(size(axes[i]) for i in places)
    return _plain(operator, name, stride, tuple(n // s for n, s in zip(output, stride, strict=True)), output)


def _plain(operator: Operator, name: str, stride: Ints, inputs: Ints, outputs: Ints) -> Layer:
    dims = len(stride)
    return Layer(
        name=name,
        operator=operator,
        kernel=(1,) * dims if operator == "PixelShuffle" else stride,
        stride=stride,
        input_size=inputs,
        output_size=outputs,
        padding=((0, 0),) * dims,
        dilation=(1,) * dims,
        output_padding=(0,) * dims,
        mode="nearest" if operator == "Resize" else "",
    )


def repeated_pixels(axes: Axes) -> Layer | None:
    """Read `[position, copy]` on an axis as nearest-neighbour upsampling; None where there is none."""
    inner = _inner_of_one_kind(axes, "copy")
    return None if inner is None else _upsampling("Resize", "repeat", axes, inner)


def zero_insertion(axes: Axes) -> Layer | None:
    """Read `[position, zeros]` on an axis as a transposed convolution with a kernel of one tap."""
    inner = _inner_of_one_kind(axes, "zero")
    if inner is None:
        return None
    layer = _upsampling("ConvTranspose", "zero_insertion", axes, inner)
    return replace(layer, kernel=(1,) * layer.dims, mode="zeros", output_padding=tuple(s - 1 for s in layer.stride))


def transposed(insertion: Layer, convolution: Layer) -> Layer:
    """Make one transposed convolution of zeros put between positions and the convolution behind them."""
    assert convolution.weight is not None
    weight, groups = convolution.weight, convolution.groups
    rows, columns, *kernel = weight.shape
    reach = [d * (k - 1) for d, k in zip(convolution.dilation, kernel, strict=True)]

    def turned() -> npt.NDArray[np.floating]:
        split = weight.load().reshape(groups, rows // groups, columns, *kernel)
        columns_first = np.swapaxes(split, 1, 2).reshape(groups * columns, rows // groups, *kernel)
        return np.flip(columns_first, axis=tuple(range(2, columns_first.ndim)))

    shape = (groups * columns, rows // groups, *kernel)
    return replace(
        convolution,
        operator="ConvTranspose",
        stride=insertion.stride,
        input_size=insertion.input_size,
        padding=tuple((r - a, r - b) for r, (a, b) in zip(reach, convolution.padding, strict=True)),
        output_padding=insertion.output_padding,
        weight=Weight(shape, turned),
        weight_shape=shape,
        inputs=insertion.inputs,
        between=insertion.between,
        multiply_adds=convolution.multiply_adds // math.prod(insertion.stride),
    )


def pixel_unshuffle(axes: Axes) -> Layer | None:
    """Read positions that moved among the channels, fine digits first to go, as space to depth."""
    moved = {
        atom.number
        for axis in axes
        for atom in axis
        if atom.role == "space" and not atom.whole and any(other.role == "channel" for other in axis)
    }
    places = [axis[0] for axis in axes if len(axis) == 1 and axis[0].role == "space"]
    if not any(atom.number in moved and atom.stride > 1 for atom in places):
        return None
    stride = tuple(atom.total // atom.size if atom.number in moved else 1 for atom in places)
    output = tuple(atom.size for atom in places)
    inputs = tuple(n * s for n, s in zip(output, stride, strict=True))
    return _plain("PixelUnshuffle", "pixel_unshuffle", stride, inputs, output)


def pixel_shuffle(axes: Axes) -> tuple[Layer, tuple[tuple[Atom, ...], ...]] | None:
    """Read `[position, channel digits]` on an axis as a pixel shuffle; also gives the digits of each axis.

    Copies or zeros alone are another layer. Digits of a constant are a pattern that was multiplied on, and
    copies beside channels are channels that were repeated first: a shuffle as well.
    """
    inner = [_inner_digits(axis, _PHASES) for axis in axes]
    if {atom.role for axis in inner for atom in axis} in (set(), {"copy"}, {"zero"}):
        return None
    digits = tuple(inner[i] for i, axis in enumerate(axes) if any(atom.role == "space" for atom in axis))
    return _upsampling("PixelShuffle", "pixel_shuffle", axes, inner), digits


def mosaic(axes: Axes) -> bool:
    """True when some of the channels stand in front of the positions: copies side by side, no pixel shuffle."""
    return any(
        axis[0].role == "channel" and not axis[0].whole and {atom.role for atom in axis[1:]} == {"space"}
        for axis in axes
        if len(axis) > 1
    )


def sub_pixel(writer: Layer, shuffle: Layer, digits: Sequence[Sequence[Atom]]) -> Layer:
    """Make one layer of a convolution and the shuffle behind it, its channels in PyTorch's order."""
    count, columns = writer.weight_shape[:2]
    order = shuffled_rows(count, digits)
    weight, bias, groups, kernel = writer.weight, writer.bias, writer.groups, writer.kernel or shuffle.kernel
    shape = (count, columns * groups, *kernel)

    def rows() -> npt.NDArray[np.floating]:
        assert weight is not None
        full = ungroup(weight.load(), groups) if groups > 1 else weight.load()
        return full[order].reshape(shape)

    return replace(
        writer,
        operator="SubPixelConv",
        kernel=kernel,
        stride=shuffle.stride,
        input_size=writer.input_size or shuffle.input_size,
        output_size=shuffle.output_size,
        padding=writer.padding or shuffle.padding,
        dilation=writer.dilation or shuffle.dilation,
        output_padding=shuffle.output_padding,
        weight=Weight(shape, rows) if weight else None,
        bias=Weight(bias.shape, lambda: bias.load()[order]) if bias else None,
    )


def narrowed(layer: Layer, dims: int) -> Layer:
    """Drop axes of one place until `dims` are left: frameworks pool sounds as pictures one pixel high."""
    if layer.weight_shape or layer.dims <= dims:
        return layer
    pairs = list(zip(layer.input_size, layer.output_size, layer.kernel, strict=True))
    idle = [axis for axis, places in enumerate(pairs) if places == (1, 1, 1)][: layer.dims - dims]
    kept = [axis for axis in range(layer.dims) if axis not in idle]

    def keep(numbers: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(numbers[axis] for axis in kept)

    return replace(
        layer,
        kernel=keep(layer.kernel),
        stride=keep(layer.stride),
        input_size=keep(layer.input_size),
        output_size=keep(layer.output_size),
        padding=keep(layer.padding),
        dilation=keep(layer.dilation),
        output_padding=keep(layer.output_padding),
    )


def shuffled_rows(count: int, digits: Sequence[Sequence[Atom]]) -> npt.NDArray[np.intp]:
    """List a convolution's output channels as PyTorch's pixel shuffle wants them: channel, then phases.

    `digits` are the phase digits of each axis, slowest first, as digits of the channel index.

    >>> crd = [[Atom(0, "channel", 4, 1, 2)]]
    >>> shuffled_rows(4, crd).tolist()
    [0, 1, 2, 3]
    >>> dcr = [[Atom(0, "channel", 4, 2, 2)]]
    >>> shuffled_rows(4, dcr).tolist()
    [0, 2, 1, 3]
    """
    rows = np.arange(count)
    for digit in (digit for axis in digits for digit in axis):
        rows = rows[(rows // digit.stride) % digit.size == 0]
    for digit in (digit for axis in digits for digit in axis):
        rows = np.add.outer(rows, np.arange(digit.size) * digit.stride)
    return rows.ravel()
