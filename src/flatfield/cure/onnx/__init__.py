"""What the plans mean for an ONNX graph; every function works on a copy."""

from __future__ import annotations

from collections.abc import Callable

import onnx

from flatfield.cure.examples import Examples, Progress
from flatfield.cure.onnx.correct import correct
from flatfield.cure_report import CurePlan, How

Method = Callable[[CurePlan, onnx.ModelProto, Examples, Progress], tuple[onnx.ModelProto, tuple[str, ...]]]

METHODS: dict[How, Method] = {
    "correct": correct,
}
"""How -> (plan, model, examples, progress) -> the cured copy, with notes for the report."""
