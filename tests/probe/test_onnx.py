"""The probe in ONNX Runtime says what the one in PyTorch says, on every example; torch is not needed for it."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from flatfield.examples import load, names
from flatfield.probe.onnx_profile import probe_onnx
from flatfield.probe.profile import probe_module
from flatfield.report import ProbeReport


def exported(module: nn.Module, inputs: tuple[torch.Tensor, ...], folder: Path) -> Path:
    path = folder / "m.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # the older exporter: ten times as fast, and with these settings it leaves every normalisation where it is
        kept = torch.onnx.TrainingMode.PRESERVE
        torch.onnx.export(
            module, inputs, path, dynamo=False, opset_version=17, training=kept, do_constant_folding=False
        )
    return path


def assert_same(onnx_report: ProbeReport, torch_report: ProbeReport, tolerance: float = 1e-5) -> None:
    assert onnx_report.period == torch_report.period
    assert onnx_report.tile_shape == torch_report.tile_shape
    np.testing.assert_allclose(onnx_report.tile, torch_report.tile, rtol=0, atol=tolerance)
    drawn = [[x for x in report.layers if x.alone is not None] for report in (onnx_report, torch_report)]
    assert len(drawn[0]) == len(drawn[1])
    for a, b in zip(*drawn, strict=True):
        ours = (a.before, a.after, a.alone, a.share, a.peak_to_peak)
        np.testing.assert_allclose(ours, (b.before, b.after, b.alone, b.share, b.peak_to_peak), rtol=0, atol=tolerance)
        assert a.period == b.period
    assert not onnx_report.unhonoured


@pytest.mark.parametrize("name", [n for n in names() if n != "classifier"])
def test_both_probes_agree(name: str, tmp_path: Path) -> None:
    example = load(name)
    path = exported(example.module, example.inputs, tmp_path)
    inputs = [x.numpy() for x in example.inputs]
    assert_same(probe_onnx(path, inputs), probe_module(example.module, example.inputs))
