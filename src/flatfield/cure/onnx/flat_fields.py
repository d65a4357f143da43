"""Flat fields of likely colours, as an ONNX model paints them, and what it makes of examples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper

from flatfield.core.taps import Ints
from flatfield.cure.calibration import CalibrationError
from flatfield.cure.colours import Real
from flatfield.cure.layout import Layout, layout_of
from flatfield.probe.onnx.attempt import Attempt
from flatfield.probe.onnx.begin import FIELD, begin
from flatfield.probe.onnx.look import Look
from flatfield.probe.onnx.model import Array, OnnxModel, Session
from flatfield.probe.plan import FIRST, INPUT
from flatfield.probe.unhonoured import NO_OUTPUT, NoGridError

FLATS = 96
MOST_PARTS = 64
PART = 4


@dataclass(frozen=True)
class Painter:
    """A graph with one batch of examples: its output as it is, and with flat fields on the torus.

    `flat` is the graph rewritten for the torus as in `attempt`, `output` the name of what it reaches in the original.
    """

    model: OnnxModel
    layout: Layout
    output: str
    attempt: Attempt
    flat: Session

    @classmethod
    def of(cls, proto: onnx.ModelProto, folder: Path, batch: tuple[Any, ...], keywords: Mapping[str, Any]) -> Painter:
        """Rewrite the graph for the torus; flat inputs where something comes of them, else flat features.

        Raises `NoGridError` where no output has positions that come from a flat field.
        """
        look = Look.at(OnnxModel(proto, folder, feeds_of(proto, batch, keywords)), "")
        # with as few leaks, flat inputs: their colours are likelier than mean features
        begun = [begin(look.model, look.shapes, look.sources, start) for start in (INPUT, FIRST)]
        found = [attempt for way in begun if way is not None and (attempt := Attempt.of(look, way)) is not None]
        if not found:
            raise NoGridError(NO_OUTPUT)
        best = min(found, key=lambda attempt: attempt.written.into.ledger.leaks)
        into = best.written.into
        names = [value.name for value in proto.graph.output]
        output = next(name for name in names if any(period > 0 for period in into.known.get(name, ())))
        further = {**best.fields, **{flag: np.array(False) for flag in best.written.flags}}
        session = look.model.run(into.nodes, into.constants, [best.output], further)
        return cls(look.model, layout_of(best.periods, names.index(output)), output, best, session)

    def painted(self) -> Real:
        """What the model makes of the examples, (batch, channels, *space)."""
        session = self.model.run(list(self.model.proto.graph.node), {}, [self.output])
        return arranged(session.outputs()[self.output], self.layout)

    def tiles(self, count: int) -> Iterator[Real]:
        """One period of what flat fields of `count` colours of each example became."""
        if self.attempt.begin.name != "input":
            yield self._tile({})
            return
        for place in range(min(count, MOST_PARTS)):
            axes = self.attempt.begin.axes.items()
            yield self._tile({FIELD + name: _part_mean(self.model.feeds[name], own, place) for name, own in axes})

    def _tile(self, fields: Mapping[str, Array]) -> Real:
        values = arranged(self.flat.outputs(fields)[self.attempt.output], self.layout)
        for axis, step in enumerate(self.layout.period, start=2):
            values = values.take(np.arange(step) % values.shape[axis], axis)
        return values


def arranged(output: Array, layout: Layout) -> Real:
    """Bring an output to (batch, channels, *space) in double precision."""
    moved = output.transpose(layout.order).astype(np.float64)
    return moved[:, None] if layout.channel is None else moved


def _part_mean(value: Array, axes: Ints, place: int) -> Array:
    """Fill an input with the mean of one of its parts, a quarter as long along each axis; `place` seeds which."""
    random, part = np.random.default_rng(place), value
    for axis in axes:
        size = max(1, value.shape[axis] // PART)
        start = int(random.integers(value.shape[axis] - size + 1))
        part = part.take(range(start, start + size), axis)
    mean = part.astype(np.float64).mean(axes, keepdims=True).astype(value.dtype)
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
