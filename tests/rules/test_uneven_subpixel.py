"""FF003: sub-pixel convolutions, and the three ways in which their phases come to differ."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from flatfield.network import Network
from flatfield.readers.pytorch import read_module
from flatfield.rules import examine

from .planted import Array, chain, convolution, found, layer, only, random, sub_pixel

BASE = random(3, 2, 3, 3)  # what ICNR repeats: 3 channels out, 2 in
RIGHT = np.repeat(BASE, 4, axis=0)  # channel slowest, then the phase: PyTorch's order
TILED = np.tile(BASE, (4, 1, 1, 1))  # phase slowest: TensorFlow's order
LOST = "phases are not equal (no ICNR, or lost in training)"
ORDER = "ICNR in the wrong channel order (phases are equal only when counted phase first)"


def test_icnr_raises_nothing() -> None:
    assert examine(chain(sub_pixel("up", RIGHT, np.repeat([1.0, 2.0, 3.0], 4)))) == ()
    assert examine(chain(sub_pixel("up", RIGHT))) == ()


def test_lost_icnr_is_a_warning_with_its_numbers() -> None:
    weight = np.array([1.0, 1.0, 3.0, 3.0]).reshape(4, 1, 1, 1)  # gains 1 1 3 3: u = 1 / sqrt(5)
    finding = only(chain(sub_pixel("up", weight)), "FF003")
    assert (finding.level, finding.layer) == ("warning", "up")
    assert finding.message == (
        f"shuffle by 2 x 2: {LOST}; unevenness 0.447 (-7.0 dB), period 2 x 2 pixels of the output"
    )
    assert finding.cure.startswith("flatfield.nn.SubPixelConv2d starts them equal")


def test_the_wrong_order_is_told_apart_from_lost_icnr() -> None:
    wrong, lost = (only(chain(sub_pixel("up", weight)), "FF003") for weight in (TILED, random(12, 2, 3, 3)))
    assert ORDER in wrong.message
    assert "repeat_interleave, not tile" in wrong.cure
    assert LOST in lost.message
    assert "tile" not in lost.cure


def test_a_little_training_loses_icnr_but_not_below_what_counts_as_flat() -> None:
    noise = random(*RIGHT.shape)
    assert found(chain(sub_pixel("up", RIGHT + 1e-5 * noise)), "FF003") == []
    assert LOST in only(chain(sub_pixel("up", RIGHT + 0.1 * noise)), "FF003").message
    assert ORDER in only(chain(sub_pixel("up", TILED + 1e-5 * noise)), "FF003").message


def test_equal_weights_with_unequal_biases_are_told_apart() -> None:
    # biases 1 1 1 3 of one channel: mean 1.5, u = sqrt(0.75 / 3) = 0.5
    finding = only(chain(sub_pixel("up", np.ones((4, 1, 1, 1)), np.array([1.0, 1.0, 1.0, 3.0]))), "FF003")
    assert finding.message == (
        "shuffle by 2 x 2: phases have equal weights but unequal biases (unevenness 0.500); unevenness 0.000, "
        "period 2 x 2 pixels of the output"
    )
    assert finding.cure == "initialise the bias like the weight: flatfield.nn.icnr_ does both"


def test_one_channel_has_no_order_to_be_wrong_in() -> None:
    assert examine(chain(sub_pixel("up", np.tile(BASE[:1], (4, 1, 1, 1))))) == ()


def test_weights_that_can_not_be_read_raise_nothing() -> None:
    assert examine(chain(layer("up", "SubPixelConv", (3, 3), (2, 2)))) == ()


def test_a_box_right_behind_takes_the_grid_out() -> None:
    up, box = sub_pixel("up", random(4, 1, 3, 3)), convolution("box", np.ones((1, 1, 2, 2)))
    assert found(chain(up, box), "FF003") == []
    assert only(chain(up, convolution("any", random(1, 1, 2, 2))), "FF003").level == "warning"
    between = dataclasses.replace(box, inputs=("up",), between=("relu",))
    assert only(Network("relu", (up, between), outputs=("box",)), "FF003").level == "note"  # removed, but not at once
    seen = dataclasses.replace(box, inputs=("up",))
    assert only(Network("two outputs", (up, seen), outputs=("box", "up")), "FF003").level == "warning"


def test_a_plain_convolution_and_a_bare_shuffle_raise_nothing() -> None:
    network = chain(convolution("conv", TILED, padding=((1, 1), (1, 1))), layer("up", "PixelShuffle", (1, 1), (2, 2)))
    assert found(network, "FF003") == []


@pytest.mark.parametrize(("weight", "what"), [(RIGHT, None), (TILED, ORDER), (random(12, 2, 3, 3), LOST)])
def test_modules_are_told_apart_like_planted_layers(weight: Array, what: str | None) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(2, 12, 3)
    assert conv.bias is not None
    nn.init.zeros_(conv.bias)
    with torch.no_grad():
        conv.weight.copy_(torch.from_numpy(weight))
    network = read_module(nn.Sequential(conv, nn.PixelShuffle(2)), (torch.zeros(1, 2, 5, 5),))
    if what is None:
        assert examine(network) == ()
    else:
        assert what in only(network, "FF003").message


def test_biases_at_their_default_start_are_seen_behind_icnr_weights() -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(2, 12, 3)
    with torch.no_grad():
        conv.weight.copy_(torch.from_numpy(RIGHT))
    network = read_module(nn.Sequential(conv, nn.PixelShuffle(2)), (torch.zeros(1, 2, 5, 5),))
    assert "equal weights but unequal biases" in only(network, "FF003").message
