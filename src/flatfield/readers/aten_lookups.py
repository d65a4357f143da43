"""PyTorch's operators that look entries up, and those that move positions in ways that nobody here follows."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from flatfield.readers import axes as ax
from flatfield.readers.aten_call import Call
from flatfield.readers.trace import Value

Handler = Callable[[Call], Value | list[Value]]

_IN_A_TABLE = "positions are looked up in a table"


def along(call: Call, reason: str) -> Value | list[Value]:
    """`index_select`, `gather`, `topk`, `scatter`: harmless along channels; nobody knows what moves along positions."""
    value = call.values()[0]
    place = call["dim"] % max(1, len(value.axes))
    if len(value.axes) != len(call.sizes[0]) or ax.has_space((value.axes[place],)):
        return blind(call, reason)
    operands = [other for other in call.values() if len(other.axes) == len(value.axes)]
    return [call.trace.resized_axis(call.operator, operands, place, sizes) for sizes in call.sizes]


def indexed(call: Call) -> Value | list[Value]:
    """`x[:, [0, 2]]`: one list of numbers along one axis of channels."""
    value, indices = call.value("self"), call["indices"]
    places = [place for place, index in enumerate(indices) if index is not None]
    if len(places) == 1 and indices[places[0]].dim() == 1 and not ax.has_space((value.axes[places[0]],)):
        return call.trace.resized_axis(call.operator, [value], places[0], call.sizes[0])
    return blind(call, _IN_A_TABLE, operands=[value])


def embedding(call: Call) -> Value:
    """`embedding`: every index becomes a row of channels."""
    value = call.value("indices")
    return call.trace.added_axis(call.operator, [value], len(value.axes), call.sizes[0][-1])


def counted(call: Call) -> Value:
    """`histc`: how often, not where."""
    return call.trace.constant(call.sizes[0])


def blind(call: Call, reason: str, *, operands: list[Value] | None = None) -> Value | list[Value]:
    """An operator that moves positions in a way that no layer here describes; one note, however many results."""
    values = call.values() if operands is None else operands
    first = call.trace.opaque(call.name, call.operator, values, call.sizes[0], reason)
    if first.constant:
        return [call.trace.constant(sizes) for sizes in call.sizes]
    rest = (call.trace.arranged(call.operator, values, ax.image_axes(sizes)) for sizes in call.sizes[1:])
    return [first, *rest]


def unknown(call: Call) -> Value | list[Value]:
    """An operator that stands in no table; a single number that comes out of it has no positions."""
    if not any(call.sizes):
        return [call.trace.constant(sizes) for sizes in call.sizes]
    return blind(call, "no rule of flatfield's knows this operator")


def _each(handler: Handler, *names: str) -> dict[str, Handler]:
    return dict.fromkeys(names, handler)


LOOKUPS: dict[str, Handler] = {
    **_each(embedding, "embedding"),
    **_each(counted, "histc", "bincount"),
    **_each(partial(along, reason=_IN_A_TABLE), "index_select", "gather"),
    **_each(partial(along, reason="positions are computed at run time"), "topk", "scatter", "scatter_add",
            "index_add", "index_copy", "index_fill"),
    **_each(indexed, "index", "_unsafe_index"),
    **_each(partial(blind, reason=_IN_A_TABLE), "take", "take_along_dim"),
    **_each(partial(blind, reason="a Fourier transform: positions become frequencies"),
            "_fft_r2c", "_fft_c2r", "_fft_c2c"),
    **_each(partial(blind, reason="positions are computed at run time"), "grid_sampler_2d", "grid_sampler_3d",
            "as_strided", "index_put", "affine_grid_generator", "masked_scatter", "nonzero", "masked_select"),
    **_each(partial(blind, reason="windows of random places"), "fractional_max_pool2d", "fractional_max_pool3d"),
}  # fmt: skip
