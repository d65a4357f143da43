"""ONNX Runtime on the exported layer: interpolate + conv as people export it, and the fused forms."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any
from unittest import mock

import onnxruntime  # type: ignore[import-untyped]
import torch

from benchmarks.nn.clock import heading, medians, row
from benchmarks.nn.resize import Shape
from flatfield.nn import ResizeConv1d, ResizeConv2d, ResizeConv3d

LAYER = {1: ResizeConv1d, 2: ResizeConv2d, 3: ResizeConv3d}


def session(layer: torch.nn.Module, x: torch.Tensor, way: str, threads: int) -> Any:
    with mock.patch.dict(os.environ, {"FLATFIELD_RESIZE_CONV": way}), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(layer.eval(), (x,), dynamo=True, verbose=False)
    assert program is not None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(program.model_proto.SerializeToString(), options)


def exported(shapes: list[Shape], rounds: int, threads: int) -> None:
    heading(
        "ONNX Runtime: plain (Resize + Conv) / fused",
        ["shape", "plain, ms", "phases (Conv + DepthToSpace + Slice), the default", "folded (ConvTranspose)"],
    )
    for shape in shapes:
        x = shape.tensors(False)[0]
        layer = LAYER[shape.dims](shape.into, shape.out, 3)
        timed: dict[str, Callable[[], object]] = {}
        for way in ("plain", "phases", "transposed"):
            run = session(layer, x, way, threads)
            timed[way] = partial(run.run, None, {run.get_inputs()[0].name: x.numpy()})
        times = medians(timed, rounds)
        ratios = [times["plain"] / times[way] for way in ("phases", "transposed")]
        row(str(shape), f"{times['plain']:.1f}", *(f"**{ratio:.2f}**" for ratio in ratios))
