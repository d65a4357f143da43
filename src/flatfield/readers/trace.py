"""Trace: the notes of a reader while a network runs past it, in no framework's words.

A reader's table says what each operator is; the trace says what that means: a `Value` for every tensor
(what its axes hold, which layers it comes from), and a `Layer` for whatever changes positions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from flatfield.core.taps import Ints, Pairs
from flatfield.network import Layer, Network, Operator, Unread, Weight
from flatfield.readers import axes as ax
from flatfield.readers.axes import Atom, Axes, Axis, Role
from flatfield.readers.settle import pixel_shuffle, pixel_unshuffle, repeated_pixels, sub_pixel


@dataclass(frozen=True)
class Value:
    """A tensor as the trace knows it.

    `sources` are the layers it comes from through neutral operators, `between` those operators; `pad` is a
    padding (before, after) of each axis that only just happened, for the convolution behind it.
    """

    axes: Axes
    sources: tuple[str, ...] = ()
    between: tuple[str, ...] = ()
    pad: Pairs = ()
    pad_mode: str = ""

    @property
    def shape(self) -> Ints:
        """Sizes of the axes."""
        return ax.shape(self.axes)


def _merge(groups: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for group in groups for name in group))


@dataclass
class Trace:
    """Layers and values so far; every method takes values and gives the value of the result."""

    layers: dict[str, Layer] = field(default_factory=dict)
    unread: dict[str, Unread] = field(default_factory=dict)
    linears: dict[str, Layer] = field(default_factory=dict)
    writers: dict[int, str] = field(default_factory=dict)  # channel digits -> the layer or linear that wrote them

    # -- tensors ---------------------------------------------------------------------------------------------

    def input(self, sizes: Sequence[int]) -> Value:
        """An input of the network: batch, channel, space."""
        return Value(ax.image_axes(sizes))

    def constant(self, sizes: Sequence[int]) -> Value:
        """Anything that does not depend on the input."""
        return Value(ax.constant_axes(sizes))

    # -- operators that leave positions where they are ---------------------------------------------------------

    def neutral(
        self, operator: str, operands: Sequence[Value], sizes: Sequence[int], *, keeps_writer: bool = False
    ) -> Value:
        """An elementwise operator, or a normalisation: positions stay, channels may change."""
        moving = [value for value in operands if value.sources or ax.has_space(value.axes)]
        axes = ax.broadcast([value.axes for value in operands], sizes)
        if not (keeps_writer and len(moving) == 1):
            axes = ax.anonymous_channels(axes)
        spatial = [value for value in moving if ax.has_space(value.axes)] or moving
        return self._derive(operator, spatial, axes)

    def rearranged(self, operator: str, value: Value, axes: Axes | None, sizes: Sequence[int]) -> Value:
        """A view, permutation or expansion whose axes are known; unread if its positions got lost."""
        if axes is not None:
            return replace(value, axes=axes, pad=(), pad_mode="")
        return self.misunderstood(operator, operator, [value], sizes, "a reshape that cuts across rows of pixels")

    def product(self, operator: str, left: Value, right: Value, sizes: Sequence[int]) -> Value:
        """A matrix product of two values: rows of the left, columns of the right (attention, say)."""
        lead = ax.broadcast([left.axes[:-2], right.axes[:-2]], sizes[:-2])
        return self._derive(operator, [left, right], (*lead, left.axes[-2], right.axes[-1]))

    def linear(self, name: str, value: Value, weight: Weight, bias: Weight | None = None) -> Value:
        """A linear map of the last axis; `weight` is (out, in). It may turn out to feed a pixel shuffle."""
        channel = ax.fresh("channel", weight.shape[0])
        result = self._derive("linear", [value], (*value.axes[:-1], channel))
        if channel and value.sources:
            name = self.unique(name, self.linears)
            self.writers[channel[0].number] = name
            macs = math.prod(value.shape) * weight.shape[0]
            self.linears[name] = Layer(
                name=name, operator="Conv", kernel=(), stride=(), input_size=(), output_size=(),
                weight=weight, bias=bias, weight_shape=weight.shape, multiply_adds=macs, **_came_from(value),
            )  # fmt: skip
        return result

    def reduced(self, operator: str, value: Value, over: Iterable[int], *, keep: bool) -> Value:
        """A sum, mean or maximum over some axes."""
        gone = {axis % len(value.axes) for axis in over}
        axes = tuple(() if i in gone else axis for i, axis in enumerate(value.axes) if keep or i not in gone)
        result = self._derive(operator, [value], axes)
        return result if ax.has_space(axes) else replace(result, sources=())

    def resized_axis(self, operator: str, operands: Sequence[Value], axis: int, sizes: Sequence[int]) -> Value:
        """Cropping or concatenation: one axis has another length and is named anew, in its old role."""
        first = next((value for value in operands if value.sources), operands[0])
        role: Role = next((atom.role for value in operands for atom in value.axes[axis]), "channel")
        axes = list(first.axes)
        axes[axis] = ax.fresh(role, sizes[axis])
        return self._derive(operator, operands, tuple(axes))

    def misunderstood(
        self, name: str, operator: str, operands: Sequence[Value], sizes: Sequence[int], reason: str
    ) -> Value:
        """Note an operator that was not understood, if positions went into it."""
        moving = [value for value in operands if ax.has_space(value.axes)]
        if moving:
            name = self.unique(name, self.unread)
            self.unread[name] = Unread(name, operator, reason)
        same = next((value for value in moving if value.shape == tuple(sizes)), None)
        return self._derive(operator, operands, same.axes if same else ax.image_axes(sizes))

    def _derive(self, operator: str, operands: Sequence[Value], axes: Axes) -> Value:
        sources = _merge(value.sources for value in operands)
        between = _merge(value.between for value in operands)
        return Value(axes, sources, _merge([between, (operator,)]) if sources else ())

    # -- layers ------------------------------------------------------------------------------------------------

    def unique(self, name: str, taken: Iterable[str]) -> str:
        """Give a name that nobody has: `up`, `up#2`, `up#3` ..."""
        if name not in taken:
            return name
        return next(f"{name}#{n}" for n in range(2, 1 << 30) if f"{name}#{n}" not in taken)

    def layer(
        self,
        name: str,
        operator: Operator,
        value: Value,
        *,
        output: Sequence[int],
        kernel: Sequence[int],
        stride: Sequence[int],
        padding: Pairs = (),
        dilation: Ints = (),
        output_padding: Ints = (),
        groups: int = 1,
        mode: str = "",
        weight: Weight | None = None,
        bias: Weight | None = None,
        multiply_adds: int = 0,
    ) -> Value:
        """Note a layer that reads `value` (batch, channel, *space) and writes a tensor of size `output`."""
        value = self.settle(value)
        name = self.unique(name, self.layers)
        dims = len(stride)
        extra = value.pad[-dims:] if value.pad else ((0, 0),) * dims
        own = padding or ((0, 0),) * dims
        padded = any(sum(pair) for pair in extra)
        self.layers[name] = Layer(
            name=name,
            operator=operator,
            kernel=tuple(kernel),
            stride=tuple(stride),
            input_size=tuple(n - sum(p) for n, p in zip(value.shape[-dims:], extra, strict=True)),
            output_size=tuple(output[-dims:]),
            padding=tuple((a + c, b + d) for (a, b), (c, d) in zip(own, extra, strict=True)),
            dilation=dilation or (1,) * dims,
            output_padding=output_padding or (0,) * dims,
            groups=groups,
            padding_mode=value.pad_mode if padded else "zeros",
            mode=mode,
            weight=weight,
            bias=bias,
            weight_shape=weight.shape if weight else (),
            inputs=value.sources,
            between=value.between,
            multiply_adds=multiply_adds,
        )
        return Value(self._written_by(name, tuple(output), dims), (name,))

    def _written_by(self, name: str, sizes: Ints, dims: int) -> Axes:
        lead = sizes[: len(sizes) - dims]
        channel = ax.fresh("channel", lead[-1]) if lead else ()
        if channel:
            self.writers[channel[0].number] = name
        space = tuple(ax.fresh("space", n) for n in sizes[len(lead) :])
        batch = tuple(ax.fresh("batch", n) for n in lead[:-1])
        return (*batch, channel, *space) if lead else space

    # -- layers that nobody called by name -----------------------------------------------------------------------

    def settle(self, value: Value) -> Value:
        """Turn what reshapes have built into layers: pixel shuffles, repeated pixels, space to depth."""
        shuffle = pixel_shuffle(value.axes)
        if shuffle is not None:
            value = self._settled(value, self._with_writer(value, *shuffle))
        for built in (repeated_pixels(value.axes), pixel_unshuffle(value.axes)):
            if built is not None:
                name = self.unique(built.name, self.layers)
                value = self._settled(value, replace(built, name=name, **_came_from(value)))
        return value

    def _with_writer(self, value: Value, shuffle: Layer, digits: tuple[tuple[Atom, ...], ...]) -> Layer:
        """The shuffle and the convolution that wrote its channels as one layer, if nobody else reads those."""
        names = {self.writers.get(atom.number, "") for axis in digits for atom in axis}
        name = names.pop() if len(names) == 1 else ""
        writer = self.linears.get(name) or self.layers.get(name)
        total = next(atom.total for axis in digits for atom in axis)
        if (
            writer is None
            or writer.weight is None
            or writer.weight.shape[0] != total
            or (writer.operator, set(writer.stride) - {1}) != ("Conv", set())
            or any(name in layer.inputs for layer in self.layers.values())
        ):
            return replace(shuffle, name=self.unique(shuffle.name, self.layers), **_came_from(value))
        return sub_pixel(writer, shuffle, digits)

    def _settled(self, value: Value, layer: Layer) -> Value:
        """Note the layer, and name all axes of its result anew, each in its old role."""
        self.layers[layer.name] = layer

        def anew(axis: Axis) -> Axis:
            roles = [atom.role for atom in axis]
            role = roles[0] if len(set(roles)) == 1 or "space" not in roles else "space"
            if "channel" in roles and roles[0] != "space":
                role = "channel"
            return ax.fresh(role, ax.size(axis)) if axis else ()

        return Value(tuple(anew(axis) for axis in value.axes), (layer.name,))

    def network(self, target: str, inputs: Sequence[Ints], outputs: Sequence[Value]) -> Network:
        """Close the notes."""
        ends = [self.settle(value) for value in outputs]
        return Network(
            target=target,
            layers=tuple(self.layers.values()),
            outputs=_merge(value.sources for value in ends),
            unread=tuple(self.unread.values()),
            inputs=tuple(inputs),
        )


def _came_from(value: Value) -> dict[str, Any]:
    return {"inputs": value.sources, "between": value.between}
