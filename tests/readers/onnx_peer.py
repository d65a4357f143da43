"""What ONNX Runtime, or the reference evaluator, makes of a model, beside what the reader knows about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx.reference import ReferenceEvaluator

from flatfield.readers.onnx.call import Tensor
from flatfield.readers.onnx.walk import Scope, Walk

Array = npt.NDArray[Any]


def noisy_input(built: onnx.ModelProto) -> Array:
    """What the first input is when a model is run."""
    return next(iter(_feeds(built, None).values()))


def _feeds(built: onnx.ModelProto, fill: float | None) -> dict[str, Array]:
    rng = np.random.default_rng(1)
    feeds = {}
    for value in built.graph.input:
        shape = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        numbers = rng.normal(size=shape) if fill is None else np.full(shape, fill)
        feeds[value.name] = numbers.astype(np.float32)
    return feeds


def run(built: onnx.ModelProto, *, reference: bool = False, fill: float | None = None) -> list[Array]:
    """Run a model on noise, or on one number everywhere."""
    feeds = _feeds(built, fill)
    if reference:
        return list(ReferenceEvaluator(built).run(None, feeds))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(built.SerializeToString(), options, ["CPUExecutionProvider"])
    return list(session.run(None, feeds))


def walked(built: onnx.ModelProto) -> tuple[list[Tensor], Walk]:
    """Every output as the reader knows it."""
    walk = Walk("model", Path())
    scope: Scope = {}
    for value in built.graph.input:
        shape = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        scope[value.name] = Tensor(walk.trace.input(shape))
    for function in built.functions:
        walk.functions[function.domain, function.name] = function
    return walk.graph(built.graph, scope), walk


def assert_sizes_agree(built: onnx.ModelProto, *, reference: bool = False) -> Walk:
    """Sizes are those of a run; numbers known without running are those of a run too."""
    answers = run(built, reference=reference)
    outputs, walk = walked(built)
    assert len(outputs) == len(answers)
    for output, answer in zip(outputs, answers, strict=True):
        assert output.sized, "the size is unknown"
        assert output.value.shape == answer.shape
        if output.weight is not None:
            np.testing.assert_allclose(np.asarray(output.weight.load(), answer.dtype), answer, rtol=1e-5, atol=1e-6)
    return walk
