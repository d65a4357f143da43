"""What the plans mean for an ONNX graph; every function works on a copy."""

from __future__ import annotations

from collections.abc import Callable

import onnx

from flatfield.cure.examples import Examples, Progress
from flatfield.cure.onnx.correct import correct
from flatfield.cure.onnx.flatten import flatten
from flatfield.cure.onnx.fuse import fuse
from flatfield.cure.onnx.fuse import plan as fuse_plan
from flatfield.cure.onnx.icnr import icnr
from flatfield.cure.onnx.resize import resize
from flatfield.cure.onnx.unfuse import plan as unfuse_plan
from flatfield.cure.onnx.unfuse import unfuse
from flatfield.cure_report import CurePlan, How

Method = Callable[[CurePlan, onnx.ModelProto, Examples, Progress], tuple[onnx.ModelProto, tuple[str, ...]]]

METHODS: dict[How, Method] = {
    "correct": correct,
    "flatten": flatten,
    "fuse": fuse,
    "icnr": icnr,
    "resize": resize,
    "unfuse": unfuse,
}
"""How -> (plan, model, examples, progress) -> the cured copy, with notes for the report."""

REWRITING: dict[How, Callable[[onnx.ModelProto, str], CurePlan]] = {"fuse": fuse_plan, "unfuse": unfuse_plan}
"""How -> (model, target) -> what can be computed in another way."""
