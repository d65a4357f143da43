"""Timing: forms of one layer against each other in ONNX Runtime, at the sizes that a model gives them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime  # type: ignore[import-untyped]
from onnx import helper

from flatfield.core.taps import Ints
from flatfield.cure.examples import Examples
from flatfield.cure.onnx.piece import Array, Piece

_SHAPE_OF = "flatfield/shape/"
_ROUNDS, _SECONDS = 9, 1.0  # of one contest: so many rounds, or as many as fit, and two at least


@dataclass(frozen=True)
class Contest:
    """Sizes of the tensors that the forms begin from."""

    shapes: Mapping[str, Ints]
    ir_version: int

    @classmethod
    def at(cls, model: onnx.ModelProto, names: Sequence[str], examples: Examples) -> Contest:
        """Run a model on the first example to learn the sizes of some of its tensors."""
        found = _run(model, list(dict.fromkeys(names)), examples) if names else {}
        return cls({name: tuple(int(n) for n in sizes) for name, sizes in found.items()}, model.ir_version)

    def times(self, x: str, y: str, forms: Mapping[str, Piece], dtype: np.dtype[Any]) -> dict[str, float]:
        """Median seconds of the processor on one thread, one form after the other in every round."""
        kind = helper.np_dtype_to_tensor_dtype(dtype)
        feeds = {x: np.random.default_rng(0).standard_normal(self.shapes[x]).astype(dtype)}
        sessions = {form: session(piece.alone(x, y, kind, self.ir_version), threads=1) for form, piece in forms.items()}
        spent: dict[str, list[float]] = {form: [] for form in forms}
        began = time.perf_counter()
        for turn in range(_ROUNDS + 1):
            for form, run in sessions.items():
                start = time.process_time()
                run.run([y], feeds)
                if turn:  # the first round warms up
                    spent[form].append(time.process_time() - start)
            if turn > 1 and time.perf_counter() - began > _SECONDS:
                break
        return {form: statistics.median(found) for form, found in spent.items()}


def session(model: onnx.ModelProto, *, threads: int) -> onnxruntime.InferenceSession:
    """A model in ONNX Runtime on the CPU, with its own optimisations."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = options.inter_op_num_threads = threads
    return onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])


def _run(model: onnx.ModelProto, names: list[str], examples: Examples) -> dict[str, Array]:
    asked = onnx.ModelProto()
    asked.CopyFrom(model)
    del asked.graph.output[:]
    asked.graph.node.extend(helper.make_node("Shape", [name], [_SHAPE_OF + name]) for name in names)
    asked.graph.output.extend(
        helper.make_tensor_value_info(_SHAPE_OF + name, onnx.TensorProto.INT64, None) for name in names
    )
    run = session(asked, threads=1)
    given = [value.name for value in run.get_inputs()]
    feeds = {**dict(zip(given, examples.batches[0], strict=False)), **examples.keywords}
    shapes = run.run([_SHAPE_OF + name for name in names], feeds)
    return dict(zip(names, shapes, strict=True))
