"""An ONNX file to be cured."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper

from flatfield.cure.examples import Examples, Progress
from flatfield.cure.onnx import METHODS, REWRITING
from flatfield.cure.onnx.found import grounded
from flatfield.cure.onnx.subject import FileSubject, shape_of
from flatfield.cure.promises import CureError
from flatfield.cure.subject import Array
from flatfield.cure.world import Recovery, Slot
from flatfield.cure_report import CurePlan, How
from flatfield.targets import Opened

_MOST_BYTES = (1 << 31) - 1
_MORE = 32  # places: most networks take multiples of 32, where they are particular


def world(opened: Opened) -> GraphWorld:
    """Give the world of an opened ONNX file."""
    return GraphWorld(opened)


@dataclass(frozen=True)
class GraphWorld:
    """An ONNX file with the shapes of its example input."""

    opened: Opened

    @cached_property
    def subject(self) -> FileSubject:
        """The original, to be measured."""
        return FileSubject(Path(self.opened.model), tuple(self.opened.inputs), self.opened.network.target)

    @cached_property
    def proto(self) -> onnx.ModelProto:
        """The whole model, external data too."""
        return onnx.load(Path(self.opened.model))

    @property
    def ways(self) -> Sequence[How]:
        """The ways there are."""
        return tuple(METHODS)

    @cached_property
    def _inputs(self) -> list[onnx.ValueInfoProto]:
        held = {tensor.name for tensor in self.proto.graph.initializer}
        return [value for value in self.proto.graph.input if value.name not in held]

    @cached_property
    def slots(self) -> tuple[Slot, ...]:
        """Its inputs."""
        shapes = [shape_of(given) for given in self.opened.inputs]
        return tuple(
            Slot(value.name, shape, np.issubdtype(_dtype(value), np.floating))
            for value, shape in zip(self._inputs, shapes, strict=True)
        )

    @property
    def keywords(self) -> Mapping[str, Any]:
        """A graph has none."""
        return {}

    def grounded(self, plan: CurePlan) -> CurePlan:
        """Move what can't be changed in this graph to the refusals."""
        return grounded(plan, self.proto, [slot.shape for slot in self.slots])

    def rewriting(self, how: How) -> CurePlan:
        """What can be computed in another way (fuse, unfuse)."""
        return REWRITING[how](self.proto, self.opened.network.target)

    def elsewhere(self) -> Examples | None:
        """An input that is larger on every open axis but the batch; None where no axis is open."""
        rng = np.random.default_rng(1)
        open_axes = [_open(value) for value in self._inputs]
        if not any(map(any, open_axes)):
            return None
        rows = zip(self._inputs, self.slots, open_axes, strict=True)
        batch = tuple(
            _filled(value, tuple(n + _MORE * int(o) for n, o in zip(slot.shape, axes, strict=True)), rng)
            for value, slot, axes in rows
        )
        return Examples([batch], "noise of another size")

    def applied(
        self, plan: CurePlan, examples: Examples, progress: Progress, recovery: Recovery
    ) -> tuple[onnx.ModelProto, tuple[str, ...]]:
        """Do what a plan says, on a copy."""
        return METHODS[plan.how](plan, self.proto, examples, progress)

    def finished(self, model: onnx.ModelProto) -> onnx.ModelProto:
        """A graph has no constraint to take off."""
        return model

    @contextlib.contextmanager
    def measured(self, model: onnx.ModelProto) -> Iterator[FileSubject]:
        """Write a cured model to a file of its own, to be measured as what it will be."""
        with tempfile.TemporaryDirectory(prefix="flatfield-") as folder:
            if model.ByteSize() > _MOST_BYTES:
                raise CureError(
                    "the cured model is larger than 2 GiB, which one ONNX file can't hold: cure it in parts"
                )
            path = Path(folder, "cured.onnx")
            path.write_bytes(model.SerializeToString())
            yield FileSubject(path, tuple(self.opened.inputs), self.opened.network.target)

    def draws(self, count: int) -> Examples:
        """Noise of the sizes the file was read with; zeros for whole numbers."""
        rng = np.random.default_rng(0)
        batches = [self._drawn(rng) for _ in range(count if any(slot.real for slot in self.slots) else 1)]
        return Examples(batches, f"{len(batches)} draws of normal noise")

    def _drawn(self, rng: np.random.Generator) -> tuple[Any, ...]:
        return tuple(_filled(value, slot.shape, rng) for value, slot in zip(self._inputs, self.slots, strict=True))

    def batch(self, arrays: Mapping[int, Array]) -> tuple[Any, ...]:
        """Arrays for some slots, zeros for the others."""
        return tuple(
            np.asarray(arrays[place] if place in arrays else np.zeros(slot.shape)).astype(_dtype(value))
            for place, (value, slot) in enumerate(zip(self._inputs, self.slots, strict=True))
        )


def _filled(value: onnx.ValueInfoProto, shape: Sequence[int], rng: np.random.Generator) -> Array:
    """Noise, or zeros for whole numbers."""
    kind = _dtype(value)
    return rng.standard_normal(shape).astype(kind) if np.issubdtype(kind, np.floating) else np.zeros(shape, kind)


def _open(value: onnx.ValueInfoProto) -> list[bool]:
    """Which axes have a size that the file leaves open; the batch is left out."""
    return [axis > 0 and d.dim_value <= 0 for axis, d in enumerate(value.type.tensor_type.shape.dim)]


def _dtype(value: onnx.ValueInfoProto) -> np.dtype[Any]:
    return np.dtype(helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type))
