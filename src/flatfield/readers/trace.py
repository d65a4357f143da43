"""Trace: the notes of a reader while a network runs past it, in no framework's words.

A reader's table says what each operator is; the trace says what that means: a `Value` for every tensor
(what its axes hold, which layers it comes from), and a `Layer` for whatever changes positions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from flatfield.core.taps import Ints, Pairs
from flatfield.network import UPSAMPLING, Layer, Network, Operator, Weight
from flatfield.readers import axes as ax
from flatfield.readers.axes import Atom, Axes, Axis, Role
from flatfield.readers.ledger import Ledger, Value, merge
from flatfield.readers.settle import (
    mosaic,
    narrowed,
    pixel_shuffle,
    pixel_unshuffle,
    repeated_pixels,
    sub_pixel,
    transposed,
    zero_insertion,
)

__all__ = ["Trace", "Value"]


@dataclass
class Trace(Ledger):
    """Layers and values so far; every method takes values and gives the value of the result."""

    layers: dict[str, Layer] = field(default_factory=dict)
    settled: dict[Axes, Value] = field(default_factory=dict)
    linears: dict[str, Layer] = field(default_factory=dict)
    writers: dict[int, str] = field(default_factory=dict)  # channel digits -> the layer or linear that wrote them

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
        weight_shape: Ints = (),
        multiply_adds: int = 0,
    ) -> Value:
        """Note a layer that reads `value` (batch, channel, *space) and writes a tensor of size `output`."""
        value = self.settle(value)
        if value.constant and weight is None and not weight_shape:
            return self.constant(output)  # a table that is resized, say: no picture passes here
        name = self.unique(name, self.layers)
        dims = len(stride)
        if value.pad and operator in UPSAMPLING:  # there padding is a crop: zeros in front are not the layer's own
            value = replace(value, between=merge([value.between, ("pad",)]), pad=(), pad_mode="")
        extra = value.pad[-dims:] if value.pad else ((0, 0),) * dims
        own = padding or ((0, 0),) * dims
        padded = any(sum(pair) for pair in extra)
        noted = Layer(
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
            weight_shape=weight.shape if weight else weight_shape,
            inputs=value.sources,
            between=value.between,
            multiply_adds=multiply_adds,
        )
        known = {self.layers[source].dims for source in value.sources}
        known = known or {len(ax.space_axes(value.axes))}  # straight from an input: its axes of several places
        self.layers[name] = self._joined(narrowed(noted, known.pop()) if len(known) == 1 else noted)
        return Value(self._written_by(name, tuple(output), dims), (name,))

    def _joined(self, noted: Layer) -> Layer:
        """A convolution behind zeros that nobody else reads is one transposed convolution with them."""
        before = self.layers.get(noted.inputs[0]) if len(noted.inputs) == 1 else None
        if before is None or before.operator != "ConvTranspose" or before.mode != "zeros":
            return noted
        alone = not any(before.name in layer.inputs for layer in self.layers.values())
        plain = noted.operator == "Conv" and set(noted.stride) == {1} and not noted.between
        if not (alone and plain and noted.weight is not None and noted.dims == before.dims):
            return noted
        del self.layers[before.name]
        return transposed(before, noted)

    def _written_by(self, name: str, sizes: Ints, dims: int) -> Axes:
        lead = sizes[: len(sizes) - dims]
        channel = ax.fresh("channel", lead[-1]) if lead else ()
        if channel:
            self.writers[channel[0].number] = name
        space = tuple(ax.fresh("space", n) for n in sizes[len(lead) :])
        batch = tuple(ax.fresh("batch", n) for n in lead[:-1])
        return (*batch, channel, *space) if lead else space

    def linear(
        self, name: str, value: Value, weight: Weight | None, bias: Weight | None = None, *, shape: Ints = ()
    ) -> Value:
        """A linear map of the last axis; `weight` is (out, in). It may turn out to feed a pixel shuffle."""
        shape = weight.shape if weight else shape
        channel = ax.fresh("channel", shape[0])
        result = self._derive("linear", [value], (*value.axes[:-1], channel))
        if channel and not value.constant:
            name = self.unique(name, self.linears)
            self.writers[channel[0].number] = name
            macs = math.prod(value.shape) * shape[0]
            self.linears[name] = Layer(
                name=name, operator="Conv", kernel=(), stride=(), input_size=(), output_size=(),
                weight=weight, bias=bias, weight_shape=shape, multiply_adds=macs, **_came_from(value),
            )  # fmt: skip
        return result

    def padded(self, value: Value, pairs: Pairs, mode: str, sizes: Sequence[int]) -> Value:
        """Padding (or cropping) of the last axes by (before, after); the layer behind it counts it as its own."""
        value = self.settle(value)
        lead = len(sizes) - len(pairs)
        before = value.pad if value.pad and value.pad_mode == mode else ((0, 0),) * len(sizes)
        own = ((0, 0),) * lead + tuple((int(a), int(b)) for a, b in pairs)
        single: Role = "copy" if mode == "replicate" else "zero"
        axes = tuple(
            axis if pair == (0, 0) else ax.fresh(axis[0].role if axis else single, n)
            for axis, pair, n in zip(value.axes, own, sizes, strict=True)
        )
        total = tuple((a + c, b + d) for (a, b), (c, d) in zip(before, own, strict=True))
        return replace(value, axes=axes, pad=total, pad_mode=mode)

    def resized_axis(self, operator: str, operands: Sequence[Value], axis: int, sizes: Sequence[int]) -> Value:
        """Cropping or concatenation; an axis that is cut holds pixels from there on, not phases."""
        return Ledger.resized_axis(self, operator, [self._whole(value, axis) for value in operands], axis, sizes)

    def _whole(self, value: Value, axis: int) -> Value:
        return self.settle(value) if {atom.role for atom in value.axes[axis]} > {"space"} else value

    def strided(
        self, operator: str, value: Value, axis: int, step: int, sizes: Sequence[int], *, name: str = "slice"
    ) -> Value:
        """A slice: every `step`-th entry of an axis, which is a layer of its own when it skips positions."""
        if step == 1:
            return self.resized_axis(operator, [value], axis, sizes)
        return self.windows(operator, value, axis, 1, step, sizes, name=name)

    def windows(
        self, operator: str, value: Value, axis: int, size: int, step: int, sizes: Sequence[int], *, name: str
    ) -> Value:
        """Windows of `size` entries along one axis, `step` apart: a layer where the axis counts positions."""
        value = self._whole(value, axis)
        space = ax.space_axes(value.axes)
        result = self.resized_axis(operator, [value], axis, sizes)
        if axis not in space:
            return result
        name = self.unique(name, self.layers)
        dims = len(space)
        self.layers[name] = Layer(
            name=name, operator="Slice" if size == 1 else "Unfold",
            kernel=tuple(size if i == axis else 1 for i in space),
            stride=tuple(step if i == axis else 1 for i in space),
            input_size=tuple(value.shape[i] for i in space), output_size=tuple(sizes[i] for i in space),
            padding=((0, 0),) * dims, dilation=(1,) * dims, output_padding=(0,) * dims, **_came_from(value),
        )  # fmt: skip
        return replace(result, sources=(name,), between=())

    def neutral(
        self, operator: str, operands: Sequence[Value], sizes: Sequence[int], *, keeps_writer: bool = False
    ) -> Value:
        """An elementwise operator or a normalisation; one that mixes channels sees shuffled ones as pixels."""
        alone = sum(bool(value.sources) or ax.has_space(value.axes) for value in operands) == 1
        if not (keeps_writer and alone):
            operands = [self.settle(value) if value.shape == tuple(sizes) else value for value in operands]
        return Ledger.neutral(self, operator, operands, sizes, keeps_writer=keeps_writer)

    def settle(self, value: Value, name: str = "") -> Value:
        """Turn what reshapes have built into layers: pixel shuffles, repeated pixels, space to depth.

        `name` is for a shuffle that some operator called by its name. A tensor with several readers is settled
        once.
        """
        if value.axes not in self.settled:
            self.settled[value.axes] = self._settle(value, name)
        known = self.settled[value.axes]
        return known if known.axes != value.axes else value

    def _settle(self, value: Value, name: str) -> Value:
        shuffle = pixel_shuffle(value.axes)
        if shuffle is not None:
            layer, digits = shuffle
            value = self._settled(value, self._with_writer(value, replace(layer, name=name or layer.name), digits))
        if mosaic(value.axes):
            reason = "channels side by side: a pixel shuffle with its phases in front of the positions"
            self.misunderstood(name or "view", "view", [value], value.shape, reason)
        for rule in (zero_insertion, repeated_pixels, pixel_unshuffle):
            built = rule(value.axes)
            if built is not None:
                made = self.unique(name or built.name, self.layers)
                value = self._settled(value, replace(built, name=made, **_came_from(value)))
        return value

    def _with_writer(self, value: Value, shuffle: Layer, digits: tuple[tuple[Atom, ...], ...]) -> Layer:
        """The shuffle and the convolution that wrote its channels as one layer, if nobody else reads those."""
        names = {self.writers.get(atom.number, "") for axis in digits for atom in axis}
        name = names.pop() if len(names) == 1 else ""
        writer = self.linears.get(name) or self.layers.get(name)
        total = next(atom.total for axis in digits for atom in axis)
        if (
            writer is None
            or writer.weight_shape[:1] != (total,)
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
            positions = "space" in roles and ("channel" not in roles or roles[0] == "space")
            return ax.fresh("space" if positions else "channel" if "channel" in roles else "batch", ax.size(axis))

        return Value(tuple(anew(axis) for axis in value.axes), (layer.name,))

    def network(self, target: str, inputs: Sequence[Ints], outputs: Sequence[Value]) -> Network:
        """Close the notes."""
        ends = [self.settle(value) for value in outputs]
        return Network(
            target=target,
            layers=tuple(self.layers.values()),
            outputs=merge(value.sources for value in ends),
            unread=tuple(self.unread.values()),
            inputs=tuple(inputs),
        )


def _came_from(value: Value) -> dict[str, Any]:
    return {"inputs": value.sources, "between": value.between}
