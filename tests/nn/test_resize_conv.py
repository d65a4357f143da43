"""Every way to a resize-convolution is the plain composition, borders included."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flatfield.core import Convolution, Interpolation, Window
from flatfield.nn import ResizeConv1d, ResizeConv2d, ResizeConv3d
from flatfield.nn.functional import resize_conv
from flatfield.nn.resampling import MODES, PADDING_MODES

FOLDED = ("mixed", "phases", "transposed")
LAST = {4: torch.channels_last, 5: torch.channels_last_3d}
KERNELS = {1: [(3,), (4,)], 2: [(3, 3), (6, 1)], 3: [(3, 2, 1)]}
SCALES = {1: [(2,), (8,)], 2: [(2, 2), (1, 3)], 3: [(2, 2, 3)]}
SIZES = {1: (19,), 2: (13, 9), 3: (6, 5, 4)}


def close(found, expected, tolerance):
    """Hold two tensors to `tolerance` times the largest number expected."""
    scale = max(1.0, expected.abs().max().item()) if expected.numel() else 1.0
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    error = (found - expected).abs().max().item() if expected.numel() else 0.0
    assert error <= tolerance * scale, (error, scale)


def random_case(dims, kernel, groups=1, dtype=torch.float64, last=False):
    x = torch.randn(2, 4, *SIZES[dims], dtype=dtype)
    if last and dims > 1:
        x = x.to(memory_format=LAST[x.dim()])
    return x, torch.randn(6, 4 // groups, *kernel, dtype=dtype), torch.randn(6, dtype=dtype)


@pytest.mark.parametrize("way", [*FOLDED, None])
@pytest.mark.parametrize("padding_mode", PADDING_MODES)
@pytest.mark.parametrize(("dims", "mode"), [(dims, mode) for dims in MODES for mode in MODES[dims]])
def test_every_way_is_the_composition(composition, dims, mode, padding_mode, way):
    if padding_mode == "circular" and not mode.startswith("nearest"):
        way = None  # the seam of a smooth interpolation can't be folded: below
    for kernel in KERNELS[dims]:
        for scale in SCALES[dims]:
            for padding in ("same", "valid"):
                for last in (False, True)[:dims]:
                    x, weight, bias = random_case(dims, kernel, last=last)
                    settings_ = (scale, mode, padding, padding_mode)
                    found = resize_conv(x, weight, bias, *settings_, way=way)
                    close(found, composition(x, weight, bias, *settings_), 1e-12)
                    if last:
                        assert found.is_contiguous(memory_format=LAST[x.dim()])
                    else:
                        assert found.is_contiguous()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_geometry(composition, data):
    dims = data.draw(st.integers(1, 3))
    kernel = tuple(data.draw(st.integers(1, 7)) for _ in range(dims))
    scale = tuple(data.draw(st.sampled_from([1, 2, 3, 4, 8][: 6 - dims])) for _ in range(dims))
    size = tuple(data.draw(st.integers(1, 9)) for _ in range(dims))
    mode = data.draw(st.sampled_from(MODES[dims]))
    padding_mode = data.draw(st.sampled_from(PADDING_MODES))
    padding = data.draw(st.sampled_from(["same", "valid", min(kernel) - 1]))
    batch, groups = data.draw(st.integers(1, 3)), data.draw(st.sampled_from([1, 2]))
    pads = [k - 1 if padding == "same" else 0 if padding == "valid" else 2 * padding for k in kernel]
    high = [n * s for n, s in zip(size, scale, strict=True)]
    room = {"reflect": -1, "circular": 0}.get(padding_mode, 99)
    for total, n, k in zip(pads, high, kernel, strict=True):
        if total - total // 2 > n + room or n + total < k:
            return
    x = torch.randn(batch, 4, *size, dtype=torch.float64)
    weight = torch.randn(6, 4 // groups, *kernel, dtype=torch.float64)
    case = (scale, mode, padding, padding_mode, groups)
    expected = composition(x, weight, None, *case)
    smooth_circle = padding_mode == "circular" and not mode.startswith("nearest") and any(pads)
    for way in (None, "plain") if smooth_circle else (None, "plain", "phases", "transposed"):
        close(resize_conv(x, weight, None, *case, way=way), expected, 1e-12)
    if groups == 1 and not smooth_circle:
        close(resize_conv(x, weight, None, *case, way="mixed"), expected, 1e-12)


@pytest.mark.parametrize("way", [*FOLDED, "plain"])
@pytest.mark.parametrize(("mode", "known"), [("nearest", "nearest"), ("bilinear", "linear"), ("bicubic", "cubic")])
def test_every_way_is_the_dense_matrix_of_core(way, mode, known):
    size, scale, kernel = (10, 11), (2, 3), (3, 5)
    x, weight = torch.randn(1, 2, *size, dtype=torch.float64), torch.randn(3, 2, *kernel, dtype=torch.float64)
    up = Interpolation(scale, known).as_matrix(size, channels=2)
    window = Window(2, padding=((1, 1), (2, 2)))
    high = tuple(n * s for n, s in zip(size, scale, strict=True))
    dense = Convolution(weight.numpy(), window).as_matrix(high) @ up
    found = resize_conv(x, weight, scale_factor=scale, mode=mode, way=way)
    np.testing.assert_allclose(found.numpy().ravel(), dense @ x.numpy().ravel(), rtol=0, atol=1e-11)


@pytest.mark.parametrize("way", [*FOLDED, None])
@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_float32_to_1e_5(composition, way, mode):
    x, weight, bias = random_case(2, (3, 3), dtype=torch.float32)
    expected = composition(x.double(), weight.double(), bias.double(), 2, mode)
    close(resize_conv(x, weight, bias, 2, mode, way=way).double(), expected, 1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("way", ["phases", "transposed", None])
def test_half_precision_to_its_rounding(composition, way, dtype):
    x, weight, bias = (t.to(dtype) for t in random_case(2, (3, 3), dtype=torch.float32))
    expected = composition(x.double(), weight.double(), bias.double())
    # each folded weight is rounded once, each of its 16 products once more at the end: relative to the sum
    # of magnitudes that is 2 roundings
    magnitude = composition(x.double().abs(), weight.double().abs(), bias.double().abs()).max().item()
    error = (resize_conv(x, weight, bias, way=way).double() - expected).abs().max().item()
    assert error <= 2 * torch.finfo(dtype).eps * magnitude


@pytest.mark.parametrize(("groups", "way"), [(2, "phases"), (2, "transposed"), (2, None), (4, None)])
def test_groups(composition, groups, way):
    x, weight = torch.randn(2, 8, 7, 6, dtype=torch.float64), torch.randn(12, 8 // groups, 3, 2, dtype=torch.float64)
    case = ((2, 3), "nearest", "same", "replicate", groups)
    close(resize_conv(x, weight, None, *case, way=way), composition(x, weight, None, *case), 1e-12)


@pytest.mark.parametrize(
    ("scale", "mode", "padding_mode", "corners"),
    [(1.5, "nearest", "zeros", None), (2, "bilinear", "zeros", True), (2, "bicubic", "circular", False)],
)
def test_what_cannot_be_folded_is_done_plainly(composition, scale, mode, padding_mode, corners):
    x, weight, bias = random_case(2, (3, 3))
    options = {} if corners is None else {"align_corners": corners}
    expected = composition(x, weight, bias, scale, mode, "same", padding_mode, **options)
    found = resize_conv(x, weight, bias, scale, mode, "same", padding_mode, align_corners=corners)
    close(found, expected, 0.0)
    with pytest.raises(ValueError, match="can't do"):
        resize_conv(x, weight, bias, scale, mode, "same", padding_mode, align_corners=corners, way="phases")


@pytest.mark.parametrize("way", FOLDED)
def test_bands_smaller_than_an_image(composition, way, monkeypatch):
    monkeypatch.setattr("flatfield.nn.ways.grid.BAND_BYTES", 4096)
    for dims in (1, 2, 3):
        for last in (False, True)[:dims]:
            x, weight, bias = random_case(dims, (3,) * dims, last=last)
            close(resize_conv(x, weight, bias, way=way), composition(x, weight, bias), 1e-12)


@pytest.mark.parametrize("size", [(0, 4, 5, 5), (2, 4, 1, 1), (1, 4, 2, 1)])
@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_empty_batches_and_single_pixels(composition, size, mode):
    x, weight, bias = torch.randn(size), torch.randn(6, 4, 3, 3), torch.randn(6)
    close(resize_conv(x, weight, bias, 2, mode), composition(x, weight, bias, 2, mode), 1e-5)


@pytest.mark.parametrize("layer", [ResizeConv1d, ResizeConv2d, ResizeConv3d])
def test_a_layer_loads_what_a_convolution_saved(composition, layer):
    conv = getattr(torch.nn, f"Conv{layer.dims}d")(4, 6, 3, padding=1)
    resize = layer(4, 6, 3)
    resize.load_state_dict(conv.state_dict())
    conv.load_state_dict(resize.state_dict())
    x = torch.randn(2, 4, *SIZES[layer.dims])
    with torch.no_grad():
        close(resize(x), composition(x, conv.weight, conv.bias), 1e-5)


def test_from_pair_takes_their_place():
    for mode, corners in (("nearest", None), ("bilinear", False), ("bilinear", True)):
        up = torch.nn.Upsample(scale_factor=(2, 3), mode=mode, align_corners=corners)
        conv = torch.nn.Conv2d(4, 6, (3, 5), padding=(1, 2), padding_mode="reflect", groups=2, bias=False)
        layer = ResizeConv2d.from_pair(up, conv)
        assert layer.weight is conv.weight
        x = torch.randn(2, 4, 9, 8)
        close(layer(x), conv(up(x)), 1e-5)
    text = repr(layer)
    assert "scale_factor=(2.0, 3.0)" in text
    assert "groups=2" in text
    assert "bias=False" in text
