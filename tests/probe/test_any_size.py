"""Whatever the sizes: kernels, paddings and dilations that leave no whole multiple of the stride change nothing."""

from __future__ import annotations

import random
import warnings
from collections.abc import Sequence
from math import prod
from pathlib import Path

import pytest
import torch
from torch import nn

from flatfield.probe.profile import probe_module

Kind = tuple[int, int, int, int, int]  # kernel, stride, padding, dilation, output padding
FEW = 9  # positions of the example: an odd number


def upsamplers(seed: int) -> list[Kind]:
    """Draw one to three transposed convolutions, the first of which upsamples: the flat field begins at it."""
    draw = random.Random(seed)
    out: list[Kind] = []
    for place in range(draw.choice([1, 1, 2, 2, 3])):
        stride, dilation = draw.choice([1, 2, 2, 3] if place else [2, 2, 3]), draw.choice([1, 1, 2])
        kernel = max(draw.randint(1, 6), stride)
        padding = draw.randint(0, min(3, dilation * (kernel - 1)))
        out.append((kernel, stride, padding, dilation, draw.choice([0, 0, 1]) if max(stride, dilation) > 1 else 0))
    return out


def network(kinds: Sequence[Kind], seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for kernel, stride, padding, dilation, extra in kinds:
        layers += [nn.ConvTranspose2d(2, 2, kernel, stride, padding, extra, dilation=dilation), nn.LeakyReLU()]
    return nn.Sequential(*layers[: len(layers) - seed % 2])  # the last layer with what is behind it, or without


def truth(module: nn.Module, colour: torch.Tensor, period: int) -> float:
    """Unevenness in the middle of a large field."""
    with torch.no_grad():
        large = module(colour.expand(-1, -1, 40, 40))[0]
    middle = large.shape[-1] // 2
    tile = large[:, middle : middle + period, middle : middle + period]
    departure = tile - tile.mean((1, 2), keepdim=True)
    return float((departure.square().sum() / tile.square().sum()).sqrt())


@pytest.mark.parametrize("seed", range(60))
def test_small_toruses_show_whole_periods(seed: int) -> None:
    kinds = upsamplers(seed)
    module = network(kinds, seed).double()
    colour = torch.randn(1, 2, 1, 1, dtype=torch.float64)
    report = probe_module(module, (colour.expand(-1, -1, FEW, FEW),))
    expected = truth(module, colour, prod(kind[1] for kind in kinds))
    assert report.unevenness == pytest.approx(expected, abs=1e-9)
    alone = [layer.alone for layer in report.layers if layer.alone is not None]
    assert all(value > 0 for value, kind in zip(alone, (k for k in kinds if k[1] > 1), strict=True))


@pytest.mark.parametrize("seed", range(0, 24, 2))
def test_so_it_is_in_onnx(seed: int, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    from flatfield.probe.onnx.profile import probe_onnx

    kinds = upsamplers(seed)
    module = network(kinds, seed)
    colour = torch.randn(1, 2, 1, 1)
    x = colour.expand(-1, -1, FEW, FEW).contiguous()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the older exporter is ten times as fast
        torch.onnx.export(module, (x,), tmp_path / "m.onnx", dynamo=False, opset_version=17)
    report = probe_onnx(tmp_path / "m.onnx", [x.numpy()])
    assert report.unevenness == pytest.approx(truth(module, colour, prod(kind[1] for kind in kinds)), abs=1e-5)
