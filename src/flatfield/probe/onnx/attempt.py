"""Attempt: an ONNX graph rewritten for a flat field that begins somewhere, with the output that it reaches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from flatfield.core.taps import Ints
from flatfield.probe.beyond import Runner
from flatfield.probe.onnx.begin import Begin
from flatfield.probe.onnx.look import Look, settings
from flatfield.probe.onnx.model import Array
from flatfield.probe.onnx.rewrite import Rewritten, rewrite
from flatfield.probe.period import Periods
from flatfield.probe.reach import same_factor
from flatfield.probe.unhonoured import NO_OUTPUT, NoGridError

_RESIZES = ("Resize", "Upsample")


@dataclass(frozen=True)
class Attempt:
    """What is fed, what has become of the graph, and the first output with positions: its name there, its periods."""

    begin: Begin
    fields: Mapping[str, Array]
    written: Rewritten
    output: str
    periods: Periods

    @classmethod
    def of(cls, look: Look, begin: Begin) -> Attempt | None:
        """Rewrite the graph at the size of the example; None where nothing flat reaches an output with positions."""
        fields = begin.fields(look.found)
        shapes = {**look.shapes, **{name: field.shape for name, field in fields.items()}}
        return _reached(look, begin, fields, rewrite(look.model, shapes, look.found, begin, begin.periods(fields)))

    @property
    def natural(self) -> Ints:
        """Size of the (first) field in the example."""
        name, axes = next(iter(self.begin.axes.items()))
        return tuple(next(iter(self.fields.values())).shape[axis] for axis in axes) if name else ()

    @property
    def period(self) -> int:
        """Period along the output's last axis."""
        return [p for p in self.periods if p > 0][-1]

    def runner(self, look: Look) -> Runner:
        """Run the same network on fields of another size, with a pattern on them."""

        def run(pattern: str, size: Ints) -> tuple[Array, Periods]:
            fields = self.begin.fields(look.found, size, pattern)
            nodes = self.begin.nodes(look.model)
            shapes, told = look.model.shapes_and(settings(look.model), nodes, fields)
            _same_factors(look, self.begin, shapes)
            known = self.begin.periods(fields, pattern)
            written = rewrite(look.model, shapes, {**look.found, **told}, self.begin, known, strict=True)
            reached = _reached(look, self.begin, fields, written)
            if reached is None:
                raise NoGridError(NO_OUTPUT)
            written.into.ledger.refuse_more_than(self.written.into.ledger)
            off = {flag: np.array(False) for flag in written.flags}
            session = look.model.run(written.into.nodes, written.into.constants, [reached.output], {**fields, **off})
            return session.outputs()[reached.output].astype(np.float64), reached.periods

        return run


def _reached(look: Look, begin: Begin, fields: Mapping[str, Array], written: Rewritten) -> Attempt | None:
    names = [value.name for value in look.model.proto.graph.output]
    for name in names:
        periods = written.into.known.get(name, ())
        if any(p > 0 for p in periods):
            return Attempt(begin, fields, written, written.into.name(name), periods)
    return None


def _same_factors(look: Look, begin: Begin, shapes: Mapping[str, Ints]) -> None:
    """Refuse to enlarge by another factor than in the example."""
    for place, proto in enumerate(look.model.proto.graph.node):
        if proto.op_type in _RESIZES:
            put = begin.put(place, proto)
            before, after = look.shapes[proto.input[0]][2:], look.shapes[proto.output[0]][2:]
            if not same_factor(before, after, shapes[put.input[0]][2:], shapes[put.output[0]][2:]):
                raise ValueError("the network resizes to a size that it has fixed")
