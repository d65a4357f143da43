"""What doesn't fit is refused by name, with the cure."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from flatfield.nn import ResizeConv1d, ResizeConv2d, SubPixelConv2d
from flatfield.nn.functional import resize_conv


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mode": "linear"}, "mode 'linear' is not for 2-d input: take one of nearest"),
        ({"padding_mode": "mirror"}, "padding_mode 'mirror' is unknown: take one of zeros"),
        ({"padding": "full"}, "padding 'full' is unknown"),
        ({"padding": (1, 1, 1)}, "padding .1, 1, 1. has 3 numbers; a 2-d layer takes 2"),
        ({"padding": -1}, "padding .-1, -1. is negative"),
        ({"scale_factor": (2, 2, 2)}, "scale_factor .2, 2, 2. has 3 numbers"),
        ({"scale_factor": 0}, "scale_factor .0, 0. must be positive"),
        ({"align_corners": True}, "align_corners=True means nothing with mode 'nearest'"),
        ({"groups": 3}, "groups=3 must divide in_channels 4"),
        ({"kernel_size": 0}, "kernel_size .0, 0. must be at least 1"),
    ],
)
def test_layer_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        ResizeConv2d(**{"in_channels": 4, "out_channels": 6, "kernel_size": 3, **settings})


@pytest.mark.parametrize(
    ("x", "weight", "options", "message"),
    [
        ((4, 5, 5), (6, 4, 3, 3), {}, "must be .batch, in, .size. with 2 axes: add the batch"),
        ((1, 5, 5, 5), (6, 4, 3, 3), {}, "input of 5 channels does not fit weight"),
        ((1, 4, 5), (6, 4), {}, "weight .6, 4. must be"),
        ((1, 4, 5), (6, 4, 3), {"bias": torch.zeros(5)}, r"bias \(5,\) must be \(6,\)"),
        ((1, 4, 5), (6, 4, 3), {"way": "magic"}, "way 'magic' is unknown: take one of mixed"),
        ((1, 4, 1), (6, 4, 5), {"padding_mode": "reflect"}, "reflect padding .2, 2. does not fit an upsampled size"),
        ((1, 4, 1), (6, 4, 7), {"padding_mode": "circular"}, "circular padding .3, 3. does not fit"),
        ((1, 4, 1), (6, 2, 3), {"groups": 2, "way": "mixed"}, "way 'mixed' can't do"),
    ],
)
def test_call(x, weight, options, message):
    with pytest.raises(ValueError, match=message):
        resize_conv(torch.zeros(x), torch.zeros(weight), **options)


@pytest.mark.parametrize(
    ("up", "conv", "message"),
    [
        (nn.Upsample(size=8), nn.Conv2d(1, 1, 3), "upsampling to the size 8 has no scale"),
        (nn.Upsample(scale_factor=2), nn.Conv2d(1, 1, 3, stride=2), "stride .2, 2. and dilation .1, 1. must be 1"),
        (nn.Upsample(scale_factor=2), nn.Conv1d(1, 1, 3), "Conv1d is not an nn.Conv2d"),
        (nn.Upsample(scale_factor=2), nn.Linear(1, 1), "Linear is not an nn.Conv2d"),
    ],
)
def test_from_pair(up, conv, message):
    with pytest.raises(ValueError, match=message):
        ResizeConv2d.from_pair(up, conv)


def test_the_environment_forces_a_way_that_there_is(monkeypatch, composition):
    layer, x = ResizeConv1d(2, 3, 3), torch.randn(1, 2, 8)
    expected = layer(x)
    for way in ("plain", "phases", "transposed", "mixed", ""):
        monkeypatch.setenv("FLATFIELD_RESIZE_CONV", way)
        torch.testing.assert_close(layer(x), expected)
    monkeypatch.setenv("FLATFIELD_RESIZE_CONV", "fast")
    with pytest.raises(ValueError, match="FLATFIELD_RESIZE_CONV='fast' is unknown: take one of mixed"):
        layer(x)


def test_the_environment_is_heard(monkeypatch):
    called = []
    monkeypatch.setattr("flatfield.nn.functional.plain", lambda x, *_: called.append("plain") or x)
    monkeypatch.setenv("FLATFIELD_RESIZE_CONV", "plain")
    ResizeConv1d(2, 3, 3)(torch.zeros(1, 2, 8))
    assert called == ["plain"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"padding_mode": "mirror"}, "padding_mode 'mirror' is unknown"),
        ({"groups": 3}, "groups=3 must divide"),
        ({"scale_factor": 0}, "scale_factor .0, 0. must be at least 1"),
    ],
)
def test_subpixel_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        SubPixelConv2d(4, 2, 3, **settings)
