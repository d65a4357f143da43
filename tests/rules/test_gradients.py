"""FF005 and FF006: the backward pass of strided convolutions and pools."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from flatfield.network import Layer, Network
from flatfield.readers.pytorch import read_module
from flatfield.rules import examine

from .planted import chain, convolution, found, layer, ones, only, random

PICTURE = torch.zeros(1, 1, 9, 9)


def pool(mode: str, kernel: tuple[int, ...], stride: tuple[int, ...]) -> Layer:
    return layer("pool", "Pool", kernel, stride, mode=mode)


@pytest.mark.parametrize(
    ("down", "counts"),
    [
        (convolution("down", np.ones((1, 1, 3)), 2), "kernel 3, stride 2: the gradient reaches an input 1 to 2 times, "
                                                      "with period 2"),
        (convolution("down", np.ones((1, 1, 3, 3)), 2), "1 to 4 times, with period 2 x 2"),
        (convolution("down", np.ones((1, 1, 3, 3, 3)), 2), "1 to 8 times, with period 2 x 2 x 2"),
        (convolution("down", np.ones((1, 1, 1, 1)), 2), "0 to 1 times, with period 2 x 2"),
        (convolution("down", np.ones((1, 1, 7, 7)), 2), "9 to 16 times, with period 2 x 2"),
        (layer("down", "Conv", (3, 3), (2, 2)), "1 to 4 times"),  # the overlap needs no weights
    ],
)  # fmt: skip
def test_an_uneven_strided_convolution_is_a_note_with_its_counts(down: Layer, counts: str) -> None:
    finding = only(chain(down), "FF005")
    assert (finding.level, finding.layer) == ("note", "down")
    assert counts in finding.message
    assert f"flatfield.nn.BlurConv{down.dims}d" in finding.cure


def test_an_average_pool_shares_its_gradient_out_unevenly() -> None:
    assert "reaches an input 1 to 4 times" in only(chain(pool("average", (3, 3), (2, 2))), "FF005").message


@pytest.mark.parametrize(
    "near",
    [
        convolution("down", np.ones((1, 1, 4, 4)), 2),
        convolution("down", np.ones((1, 1, 2, 2)), 2),
        convolution("same", np.ones((1, 1, 3, 3)), 1),
        pool("average", (2, 2), (2, 2)),
        pool("max", (3, 3), (2, 2)),
        ones("up", (3, 3), 2),
    ],
)
def test_near_misses(near: Layer) -> None:
    assert found(chain(near), "FF005") == []


TRIANGLE = np.outer([1.0, 2.0, 1.0], [1.0, 2.0, 1.0])[None, None] / 16  # a box of 2, twice
THIRDS = np.convolve(np.ones(3), np.convolve(np.ones(3), np.ones(3)))[None, None] / 27


def test_a_blur_right_in_front_evens_the_gradient() -> None:
    blur, down = convolution("blur", TRIANGLE), convolution("down", random(1, 1, 3, 3), 2)
    assert found(chain(blur, down), "FF005") == []
    between = dataclasses.replace(down, inputs=("blur",), between=("relu",))  # a mask may cut the blur's gradient up
    assert only(Network("relu", (blur, between), outputs=("down",)), "FF005").layer == "down"
    around = dataclasses.replace(down, inputs=("blur", "skip"))
    skip = convolution("skip", np.ones((1, 1, 1, 1)))
    assert only(Network("skip", (skip, blur, around), outputs=("down",)), "FF005").layer == "down"


@pytest.mark.parametrize(
    "front",
    [
        convolution("front", random(1, 1, 3, 3)),  # no blur
        convolution("front", TRIANGLE, 2),  # its own stride spreads the grid out before it could take it away
        pool("max", (2, 2), (1, 1)),
    ],
)
def test_what_is_no_blur_evens_nothing(front: Layer) -> None:
    assert only(chain(front, convolution("down", np.ones((1, 1, 3, 3)), 2)), "FF005").layer == "down"


def test_weights_that_make_up_for_an_uneven_overlap() -> None:
    assert found(chain(convolution("down", TRIANGLE, 2)), "FF005") == []
    assert found(chain(convolution("down", THIRDS, 3)), "FF005") == []
    assert "1 to 4" in only(chain(convolution("down", 2 * TRIANGLE - 1, 2)), "FF005").message


def test_a_max_pool_with_a_stride_is_a_note() -> None:
    finding = only(chain(pool("max", (3, 3), (2, 2))), "FF006")
    assert (finding.level, finding.layer) == ("note", "pool")
    assert finding.message == (
        "max pool 3 x 3, stride 2 x 2: the gradient reaches one input of each window, the others get nothing"
    )
    assert finding.cure == "for flat gradients: flatfield.nn.MaxBlurPool2d, or average pooling"


@pytest.mark.parametrize("near", [pool("max", (3, 3), (1, 1)), pool("average", (2, 2), (2, 2))])
def test_a_max_pool_of_stride_1_and_an_average_pool_are_not_told(near: Layer) -> None:
    assert found(chain(near), "FF006") == []


def test_modules_are_told_apart_like_planted_layers() -> None:
    down = nn.Sequential(nn.Conv2d(1, 1, 3, stride=2, padding=1), nn.ReLU(), nn.MaxPool2d(2))
    assert [(f.code, f.layer) for f in examine(read_module(down, (PICTURE,)))] == [("FF005", "0"), ("FF006", "2")]
    even = nn.Sequential(nn.Conv2d(1, 1, 4, stride=2, padding=1), nn.AvgPool2d(2), nn.MaxPool2d(2, stride=1))
    assert examine(read_module(even, (PICTURE,))) == ()
