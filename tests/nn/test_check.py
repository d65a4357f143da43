"""`flatfield check` finds every layer flat, by its weights and by running it on a flat field."""

from __future__ import annotations

import pytest
import torch

import flatfield
from flatfield import nn as flat

UPSAMPLERS = {
    "resize 1-d": (lambda: flat.ResizeConv1d(4, 6, 3, scale_factor=4), (1, 4, 16)),
    "resize 2-d": (lambda: flat.ResizeConv2d(4, 6, 3), (1, 4, 8, 8)),
    "resize 3-d": (lambda: flat.ResizeConv3d(2, 2, 3), (1, 2, 6, 6, 6)),
    "resize bilinear": (lambda: flat.ResizeConv2d(4, 6, 3, mode="bilinear"), (1, 4, 8, 8)),
    "sub-pixel 1-d": (lambda: flat.SubPixelConv1d(4, 6, 3), (1, 4, 16)),
    "sub-pixel 2-d": (lambda: flat.SubPixelConv2d(4, 6, 3), (1, 4, 8, 8)),
    "flat sub-pixel": (lambda: flat.flatten_weights(flat.SubPixelConv2d(4, 6, 3, icnr=False)), (1, 4, 8, 8)),
    "flat 1-d": (lambda: flat.FlatConvTranspose1d(4, 6, 4, 2, 1), (1, 4, 16)),
    "flat 2-d": (lambda: flat.FlatConvTranspose2d(4, 6, 3, 2, 1), (1, 4, 8, 8)),
    "flat 3-d": (lambda: flat.FlatConvTranspose3d(2, 2, 3, 2, 1), (1, 2, 6, 6, 6)),
    "baked": (lambda: flat.bake(flat.FlatConvTranspose2d(4, 6, 3, 2, 1)), (1, 4, 8, 8)),
}
DOWNSAMPLERS = {
    "blur pool": (flat.BlurPool2d, (1, 4, 16, 16)),
    "blur pool by 4": (lambda: flat.BlurPool2d(4), (1, 4, 32, 32)),
    "blur conv": (lambda: flat.BlurConv2d(4, 6, 3, stride=2, padding=1), (1, 4, 16, 16)),
    "blur conv 3-d": (lambda: flat.BlurConv3d(2, 2, 3, stride=2, padding=1), (1, 2, 8, 8, 8)),
}


@pytest.mark.parametrize("name", UPSAMPLERS)
def test_upsamplers_are_reported_flat(name):
    layer, size = UPSAMPLERS[name]
    report = flatfield.check(layer(), (torch.randn(*size),))
    assert report.unread == ()
    assert report.layers
    assert all(found.unevenness is not None and found.unevenness < 1e-6 for found in report.layers)
    assert not [finding for finding in report.findings if finding.level == "error"]


@pytest.mark.parametrize("name", UPSAMPLERS)
def test_a_flat_field_comes_out_flat(name):
    layer, size = UPSAMPLERS[name]
    report = flatfield.check(layer(), (torch.randn(*size),))
    assert report.probe is not None
    assert report.probe.unevenness is not None
    assert report.probe.unevenness < 1e-5


def test_what_they_replace_is_not():
    report = flatfield.check(torch.nn.ConvTranspose2d(4, 6, 3, 2, 1), (torch.randn(1, 4, 8, 8),))
    assert report.layers[0].unevenness is not None
    assert report.layers[0].unevenness > 0.1


@pytest.mark.parametrize("name", DOWNSAMPLERS)
def test_downsamplers_send_back_a_flat_gradient(name):
    layer, size = DOWNSAMPLERS[name]
    report = flatfield.check(layer(), (torch.randn(*size),))
    assert report.probe is not None
    assert report.probe.gradient is not None
    assert report.probe.gradient.unevenness < 1e-6
    assert not report.findings


def test_a_box_behind_the_shuffle_needs_no_icnr():
    layer = torch.nn.Sequential(flat.SubPixelConv2d(4, 6, 3, icnr=False, blur=True))
    report = flatfield.check(layer, (torch.randn(1, 4, 8, 8),))
    assert {finding.code for finding in report.findings} == {"FF007"}  # its zero padding does darken the border
    assert report.probe is not None
    assert report.probe.unevenness is not None
    assert report.probe.unevenness < 1e-6
    assert report.layers[0].unevenness is not None
    assert report.layers[0].unevenness > 0.1


@pytest.mark.parametrize("layer", [flat.ResizeConv2d(4, 6, 3), flat.ResizeConv2d(4, 6, 3, mode="bilinear")])
def test_a_fused_layer_is_not_told_to_fuse(layer):
    report = flatfield.check(torch.nn.Sequential(layer), (torch.randn(1, 4, 8, 8),))
    assert "FF008" not in {finding.code for finding in report.findings}


def test_a_parametrised_layer_keeps_its_module_name():
    network = torch.nn.Sequential(torch.nn.ReLU(), flat.FlatConvTranspose2d(4, 6, 4, 2, 1))
    assert [layer.name for layer in flatfield.check(network, (torch.randn(1, 4, 8, 8),)).layers] == ["1"]
