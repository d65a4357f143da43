"""FF007 and FF008: borders and cost of interpolation followed by convolution."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from flatfield.network import Layer, Network
from flatfield.readers.pytorch import read_module
from flatfield.rules import examine

from .planted import chain, convolution, found, ones, only, random, resize, sub_pixel

PICTURE = torch.zeros(1, 2, 5, 5)


def convolved(dims: int, *, kernel: int = 3, padding: int = 1, stride: int = 1, **facts: Any) -> Layer:
    weight = np.ones((1, 1, *(kernel,) * dims))
    return convolution("conv", weight, stride, padding=((padding, padding),) * dims, **facts)


@pytest.mark.parametrize(
    ("dims", "mode", "now", "fused"),
    [
        # nearest: a 3-kernel behind x2 folds to 4 taps an axis; any other mixes the 3 taps at low resolution
        (1, "nearest", 2 * 3, 4),
        (2, "nearest", 36, 16),
        (3, "nearest", 216, 64),
        (1, "linear", 2 * 3, 3),
        (2, "linear", 36, 9),
        (3, "linear", 216, 27),
        (2, "cubic", 36, 9),
        (2, "nearest-exact", 36, 16),
    ],
)
def test_multiply_adds_by_hand(dims: int, mode: str, now: int, fused: int) -> None:
    conv = convolved(dims, multiply_adds=now * 1_000_000)
    finding = only(chain(resize("up", (2,) * dims, mode), conv), "FF008")
    times = " x ".join("2" * dims)
    kernel = " x ".join("3" * dims)
    assert (finding.level, finding.layer) == ("note", "conv")
    assert finding.message == (
        f"{mode} x{times} by up, then kernel {kernel}: {now} multiply-adds for each input position and channel pair, "
        f"{fused} fused ({now - fused} million saved)"
    )
    assert finding.cure == f"flatfield.nn.ResizeConv{dims}d.from_pair(upsample, conv) computes the same"


def test_other_kernels_and_scales_by_hand() -> None:
    by_three = only(chain(resize("up", (3,)), convolved(1, kernel=5)), "FF008")
    assert "15 multiply-adds for each input position and channel pair, 7 fused" in by_three.message  # 5 + 3 - 1
    dilated = only(chain(resize("up", (2,)), convolved(1, dilation=(2,))), "FF008")
    assert "6 multiply-adds for each input position and channel pair, 6 fused" in dilated.message  # 2 * 2 + 2


UP = resize("up", (2, 2))
OTHER = convolution("other", np.ones((1, 1, 1, 1)), inputs=("up",))
READ_TWICE = Network("read twice", (UP, convolved(2, inputs=("up",)), OTHER), ("conv", "other"))


@pytest.mark.parametrize(
    "network",
    [
        chain(UP, convolved(2, stride=2)),
        chain(UP, convolved(2, kernel=1, padding=0)),
        chain(resize("up", (2, 2), "area"), convolved(2)),
        chain(resize("up", (1, 1)), convolved(2)),
        chain(ones("up", (4, 4), 2), convolved(2)),
        chain(UP, dataclasses.replace(convolved(2), between=("relu",))),
        READ_TWICE,
        Network("seen outside", (UP, convolved(2, inputs=("up",))), ("conv", "up")),
    ],
)
def test_what_can_not_be_fused(network: Network) -> None:
    assert found(network, "FF008") == []


def test_a_zero_border_is_a_note_with_its_width() -> None:
    finding = only(chain(UP, convolved(2, kernel=5, padding=2)), "FF007")
    assert (finding.level, finding.layer) == ("note", "conv")
    assert finding.message == "2 x 2 zeros are padded in front of an upsampling convolution (5 x 5)"
    assert finding.cure == 'padding_mode="reflect" or "replicate"'
    sub = sub_pixel("sub", np.ones((4, 1, 3, 3)), padding=((1, 1), (1, 1)))
    assert "1 x 1 zeros" in only(chain(sub), "FF007").message


@pytest.mark.parametrize(
    "network",
    [
        chain(UP, convolved(2, padding=0)),
        chain(UP, convolved(2, padding_mode="reflect")),
        chain(UP, ones("between", (1, 1), 1), convolved(2)),
        chain(convolution("front", random(1, 1, 1, 1)), convolved(2)),
        chain(sub_pixel("sub", np.ones((4, 1, 1, 1)))),
        chain(ones("up", (4, 4), 2, padding=((1, 1), (1, 1)))),  # it crops: nothing is padded
    ],
)
def test_near_misses_of_the_zero_border(network: Network) -> None:
    assert found(network, "FF007") == []


def test_modules_are_told_apart_like_planted_layers() -> None:
    plain = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(2, 3, 3, padding=1))
    findings = examine(read_module(plain, (PICTURE,)))
    assert [f.code for f in findings] == ["FF007", "FF008"]
    # 2 x 3 channel pairs at 25 input positions, each 36 - 16 multiply-adds
    assert (
        f"36 multiply-adds for each input position and channel pair, 16 fused ({6 * 25 * 20 / 1e6} million saved)"
        in findings[1].message
    )
    reflecting = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect"))
    assert [f.code for f in examine(read_module(reflecting, (PICTURE,)))] == ["FF008"]
    bare = nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear"), nn.ReLU(), nn.Conv2d(2, 3, 3))
    assert examine(read_module(bare, (PICTURE,))) == ()
