"""Ledger: values, the operators that leave positions alone, and an honest list of what was not understood."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from flatfield.core.taps import Ints, Pairs
from flatfield.network import Unread
from flatfield.readers import axes as ax
from flatfield.readers.axes import Axes, Role


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

    @property
    def constant(self) -> bool:
        """True when nothing of the network's input is in it."""
        roles = {atom.role for axis in self.axes for atom in axis}
        return not self.sources and roles <= {"constant", "copy", "zero"}


def merge(groups: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """Join names in order, each once."""
    return tuple(dict.fromkeys(name for group in groups for name in group))


@dataclass
class Ledger:
    """What a reader notes beside layers; every method takes values and gives the value of the result."""

    unread: dict[str, Unread] = field(default_factory=dict)

    def input(self, sizes: Sequence[int]) -> Value:
        """An input of the network: batch, channel, space."""
        return Value(ax.image_axes(sizes))

    def constant(self, sizes: Sequence[int]) -> Value:
        """Anything that does not depend on the input."""
        return Value(ax.constant_axes(sizes))

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
        """Note an operator that was not understood, if positions went into it; once, however often it runs."""
        moving = [value for value in operands if ax.has_space(value.axes)]
        note = Unread(name, operator, reason)
        if moving and self.unread.get(name) != note:
            name = self.unique(name, self.unread)
            self.unread[name] = replace(note, name=name)
        same = next((value for value in moving if value.shape == tuple(sizes)), None)
        return self._derive(operator, operands, same.axes if same else ax.image_axes(sizes))

    def _derive(self, operator: str, operands: Sequence[Value], axes: Axes) -> Value:
        sources = merge(value.sources for value in operands)
        between = merge(value.between for value in operands)
        return Value(axes, sources, merge([between, (operator,)]) if sources else ())

    def arranged(self, operator: str, operands: Sequence[Value], axes: Axes) -> Value:
        """Operands that met in a way of their own (a recurrence, an einsum): the reader knows the result's axes."""
        return self._derive(operator, operands, axes)

    def relabelled(self, value: Value, sizes: Sequence[int]) -> Value:
        """The same positions laid out as batch, channel, space."""
        return replace(value, axes=ax.image_axes(sizes), pad=(), pad_mode="")

    def regrouped(self, value: Value, cut: Sequence[int], order: Sequence[int], sizes: Sequence[int]) -> Value:
        """Reshape to `cut`, permute, reshape to `sizes`: the long spelling of every shuffle.

        `order` counts from the back and lists the last axes of `cut`; the ones before stay.
        """
        axes = ax.reshape(value.axes, cut)
        if axes is not None:
            kept = axes[: len(axes) - len(order)]
            axes = ax.reshape((*kept, *(axes[place] for place in order)), sizes)
        return self.rearranged("shuffle", value, axes, sizes)

    def written_into(self, value: Value, sizes: Sequence[int]) -> Value:
        """A value written into a larger tensor: axes of the same size are its own, the others new."""
        axes = tuple(
            axis if ax.size(axis) == n else ax.fresh(axis[0].role if axis else "space", n)
            for axis, n in zip(value.axes, sizes, strict=True)
        )
        return replace(value, axes=axes, pad=(), pad_mode="")

    def added_axis(self, operator: str, operands: Sequence[Value], place: int, size: int) -> Value:
        """Stacking: a new axis that tells the operands apart, which a later reshape may interleave."""
        first = max(operands, key=lambda value: bool(value.sources))
        axes = (*first.axes[:place], ax.fresh("channel", size), *first.axes[place:])
        return self._derive(operator, operands, axes)

    def dropped_axis(self, operator: str, value: Value, place: int) -> Value:
        """Selecting one entry of an axis."""
        return self._derive(operator, [value], (*value.axes[:place], *value.axes[place + 1 :]))

    def expanded(self, operator: str, value: Value, sizes: Sequence[int]) -> Value:
        """Broadcasting or tiling: where an axis grows by a factor, its entries are copied."""
        lead = len(sizes) - len(value.axes)
        old = ((),) * lead + value.axes
        axes = tuple(
            axis if ax.size(axis) == n else (*ax.fresh("copy", n // max(1, ax.size(axis))), *axis)
            for axis, n in zip(old, sizes, strict=True)
        )
        return self.rearranged(operator, value, axes if ax.shape(axes) == tuple(sizes) else None, sizes)

    def unique(self, name: str, taken: Iterable[str]) -> str:
        """Give a name that nobody has: `up`, `up#2`, `up#3` ..."""
        if name not in taken:
            return name
        return next(f"{name}#{n}" for n in range(2, 1 << 30) if f"{name}#{n}" not in taken)

    def mixed_columns(self, operator: str, value: Value, sizes: Sequence[int]) -> Value:
        """A constant matrix from the right: rows stay, columns are new channels."""
        return self._derive(operator, [value], (*value.axes[:-1], ax.fresh("channel", sizes[-1])))

    def mixed_rows(self, operator: str, value: Value, sizes: Sequence[int]) -> Value:
        """A constant matrix from the left: rows are new channels, columns stay."""
        lead = ax.broadcast([value.axes[:-2]], sizes[:-2])
        return self._derive(operator, [value], (*lead, ax.fresh("channel", sizes[-2]), value.axes[-1]))

    def opaque(
        self,
        name: str,
        operator: str,
        operands: Sequence[Value],
        sizes: Sequence[int],
        reason: str = "no rule of flatfield's knows this operator",
    ) -> Value:
        """Anything else: harmless where no positions go in, listed as unread where they do."""
        if all(value.constant for value in operands):
            return self.constant(sizes)
        return self.misunderstood(name, operator, operands, sizes, reason)
