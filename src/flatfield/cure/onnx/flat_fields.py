"""Flat fields of likely colours, as an ONNX model paints them, and what it makes of examples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper

from flatfield.cure.calibration import CalibrationError
from flatfield.cure.correction import Real
from flatfield.cure.layout import Layout, layout_of
from flatfield.probe.onnx_model import Array, OnnxModel, Session
from flatfield.probe.onnx_norms import OVER_POSITIONS
from flatfield.probe.onnx_rewrite import rewrite
from flatfield.probe.onnx_views import RULES
from flatfield.probe.plan import FIRST, INPUT
from flatfield.probe.unhonoured import NoGridError

FLATS = 96
MOST_PARTS = 64
PART = 4
_SETTINGS = frozenset(("Pad", "Slice", "CumSum", *(name for name in RULES if name.startswith("Reduce"))))


@dataclass(frozen=True)
class Painter:
    """A graph with one batch of examples: its output as it is, and with flat fields on the torus.

    `flat` is the graph rewritten for the torus, `reached` the name of its output, `start` where flat fields begin.
    """

    model: OnnxModel
    layout: Layout
    output: str
    start: str
    flat: Session
    reached: str
    flags: Mapping[str, bool]

    @classmethod
    def of(cls, proto: onnx.ModelProto, folder: Path, batch: tuple[Any, ...], keywords: Mapping[str, Any]) -> Painter:
        """Rewrite the graph for the torus; flat inputs where something comes of them, else flat features.

        Raises `NoGridError` where no output has positions that come from a flat field.
        """
        model = OnnxModel(proto, folder, feeds_of(proto, batch, keywords))
        norms = [n.input[0] for n in proto.graph.node if n.op_type in OVER_POSITIONS]
        settings = [x for n in proto.graph.node if n.op_type in _SETTINGS for x in n.input[1:] if x]
        wanted = [name for name in (*norms, *settings) if name not in model.initial and name not in model.feeds]
        shapes, found = model.shapes_and(wanted)
        found = {**model.initial, **model.feeds, **found}
        ways = []
        for start in (INPUT, FIRST):  # with as few leaks, flat inputs: their colours are likelier than mean features
            written = rewrite(model, shapes, found, start)
            for value in proto.graph.output:
                periods = written.into.known.get(value.name, ())
                if any(period > 0 for period in periods):
                    ways.append((written.into.ledger.leaks, start, written, value.name))
                    break
        if not ways:
            raise NoGridError("no output has positions that come from a flat field")
        _, start, written, output = min(ways, key=lambda way: way[0])
        place = [value.name for value in proto.graph.output].index(output)
        name, flags = written.into.name(output), dict.fromkeys(written.flags, False)
        session = model.run(written.into.nodes, written.into.constants, [name], flags)
        return cls(model, layout_of(written.into.known[output], place), output, start, session, name, flags)

    def painted(self) -> Real:
        """What the model makes of the examples, (batch, channels, *space)."""
        session = self.model.run(list(self.model.proto.graph.node), {}, [self.output])
        return arranged(session.outputs()[self.output], self.layout)

    def tiles(self, count: int) -> Iterator[Real]:
        """One period of what flat fields of `count` colours of each example became."""
        if self.start != INPUT:
            yield self._tile(self.model.feeds)
            return
        dims = len(self.layout.space)
        for place in range(min(count, MOST_PARTS)):
            yield self._tile({name: _part_mean(value, dims, place) for name, value in self.model.feeds.items()})

    def _tile(self, feeds: Mapping[str, Array]) -> Real:
        values = arranged(replace(self.flat, feeds=dict(feeds)).outputs(self.flags)[self.reached], self.layout)
        for axis, step in enumerate(self.layout.period, start=2):
            values = values.take(np.arange(step) % values.shape[axis], axis)
        return values


def arranged(output: Array, layout: Layout) -> Real:
    """Bring an output to (batch, channels, *space) in double precision."""
    moved = output.transpose(layout.order).astype(np.float64)
    return moved[:, None] if layout.channel is None else moved


def _part_mean(value: Array, dims: int, place: int) -> Array:
    """Fill an input with the mean of one of its parts, a quarter as long along each axis; `place` seeds which."""
    if value.ndim != dims + 2 or not np.issubdtype(value.dtype, np.floating):
        return value
    random, part = np.random.default_rng(place), value
    for axis in range(2, value.ndim):
        size = max(1, value.shape[axis] // PART)
        start = int(random.integers(value.shape[axis] - size + 1))
        part = part.take(range(start, start + size), axis)
    mean = part.astype(np.float64).mean(tuple(range(2, value.ndim)), keepdims=True).astype(value.dtype)
    return np.broadcast_to(mean, value.shape).copy()


def feeds_of(proto: onnx.ModelProto, batch: tuple[Any, ...], keywords: Mapping[str, Any]) -> dict[str, Array]:
    """Name the inputs of a batch, each in the graph's own type; `CalibrationError` for a number that does not fit."""
    held = {tensor.name for tensor in proto.graph.initializer}
    real = [value for value in proto.graph.input if value.name not in held]
    named = {**dict(zip([value.name for value in real], batch, strict=False)), **keywords}
    if len(batch) > len(real) or set(named) != {value.name for value in real}:
        names = ", ".join(value.name for value in real)
        raise CalibrationError(
            f"{len(batch) + len(keywords)} inputs were given for the model's {len(real)} ({names}): give one for each"
        )
    kinds = {value.name: helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type) for value in real}
    return {name: np.asarray(value).astype(kinds[name]) for name, value in named.items()}
