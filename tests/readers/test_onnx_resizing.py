"""Interpolation of every opset, sizes computed on the way, and folding, against hand-known layers and runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from .onnx_models import ints, model, node, only, read
from .onnx_peer import assert_sizes_agree

RESIZES: list[tuple[int, dict[str, Any], list[str], tuple[int, ...], str]] = [
    (9, {"mode": "nearest"}, ["x", "scales"], (2, 3), "nearest"),
    (10, {"mode": "linear"}, ["x", "scales"], (2, 3), "linear"),
    (11, {"mode": "cubic"}, ["x", "roi", "scales"], (2, 3), "cubic"),
    (13, {"mode": "nearest"}, ["x", "", "scales"], (2, 3), "nearest-exact"),
    (13, {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
     ["x", "", "scales"], (2, 3), "nearest"),
    (13, {"mode": "linear", "coordinate_transformation_mode": "align_corners"},
     ["x", "", "", "sizes"], (2, 3), "linear"),
    (18, {"mode": "linear", "axes": [2, 3]}, ["x", "", "two"], (2, 3), "linear"),
    (19, {"mode": "linear", "axes": [3, 2]}, ["x", "", "", "pair"], (2, 3), "linear"),
    (19, {"mode": "linear"}, ["x", "", "", "odd"], (1, 1), "linear"),
    (13, {"mode": "linear"}, ["x", "", "half"], (1, 1), "linear"),
]  # fmt: skip


@pytest.mark.parametrize(("opset", "attributes", "inputs", "stride", "mode"), RESIZES, ids=str)
def test_interpolation(
    tmp_path: Path, opset: int, attributes: dict[str, Any], inputs: list[str], stride: tuple[int, ...], mode: str
) -> None:
    weights = {
        "scales": np.array([1, 1, 2, 3], np.float32), "two": np.array([2, 3], np.float32),
        "half": np.array([1, 1, 0.5, 0.7], np.float32), "roi": np.zeros(0, np.float32),
        "sizes": ints(1, 4, 16, 24), "pair": ints(24, 16), "odd": ints(1, 4, 13, 21),
    }  # fmt: skip
    used = {name: numbers for name, numbers in weights.items() if name in inputs}
    built = model(
        [node("Upsample" if opset == 9 else "Resize", inputs, ["y"], "resize", **attributes)], used, opset=opset
    )
    assert_sizes_agree(built)
    layer = only(read(built, tmp_path))
    assert (layer.name, layer.operator, layer.stride, layer.mode) == ("resize", "Resize", stride, mode)
    assert layer.unevenness == 0.0


def test_upsample_with_scales_in_an_attribute(tmp_path: Path) -> None:
    built = model([node("Upsample", ["x"], ["y"], scales=[1.0, 1.0, 2.0, 4.0])], opset=7)
    assert only(read(built, tmp_path)).stride == (2, 4)


@pytest.mark.parametrize("policy", ["not_larger", "not_smaller"])
def test_kept_aspect_ratio(policy: str) -> None:
    nodes = [node("Resize", ["x", "", "", "s"], ["y"], axes=[2, 3], keep_aspect_ratio_policy=policy)]
    assert_sizes_agree(model(nodes, {"s": ints(13, 17)}, opset=19), reference=True)


def test_interpolation_with_channels_last(tmp_path: Path) -> None:
    built = model([node("Resize", ["x", "", "s"], ["y"])], {"s": np.array([1, 2, 3, 1], np.float32)})
    assert_sizes_agree(built)
    assert only(read(built, tmp_path)).stride == (2, 3)


def test_sizes_computed_from_the_shape_as_exporters_do(tmp_path: Path) -> None:
    nodes = [
        node("Shape", ["x"], ["shape"]),
        node("Gather", ["shape", "two"], ["h"]),
        node("Cast", ["h"], ["h32"], to=1),
        node("Mul", ["h32", "scale"], ["scaled"]),
        node("Floor", ["scaled"], ["floored"]),
        node("Cast", ["floored"], ["h64"], to=7),
        node("Unsqueeze", ["h64", "zero"], ["h1"]),
        node("Slice", ["shape", "zero", "twos"], ["lead"]),
        node("Concat", ["lead", "h1", "h1"], ["sizes"], axis=0),
        node("Resize", ["x", "", "", "sizes"], ["y"], "resize", mode="linear"),
    ]
    weights = {"two": np.array(2), "scale": np.array(2.0, np.float32), "zero": ints(0), "twos": ints(2)}
    built = model(nodes, weights)
    assert_sizes_agree(built)
    layer = only(read(built, tmp_path))
    assert (layer.stride, layer.output_size) == ((2, 2), (16, 16))


def test_fold(tmp_path: Path) -> None:
    built = model(
        [node("Col2Im", ["x", "image", "block"], ["y"], "fold", strides=[2, 2])],
        {"image": ints(9, 9), "block": ints(3, 3)},
        inputs={"x": (1, 18, 16)},
    )
    assert_sizes_agree(built)
    layer = only(read(built, tmp_path))
    assert (layer.operator, layer.kernel, layer.stride, layer.input_size) == ("Fold", (3, 3), (2, 2), (4, 4))
    assert layer.overlap.tolist() == [[4, 2], [2, 1]]
