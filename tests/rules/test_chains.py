"""FF004 and FF009, and what a layer further down makes of a grid: compounded, damped, or removed and lowered."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from flatfield.core import flat_weights
from flatfield.network import Layer, Network
from flatfield.readers.pytorch import read_module
from flatfield.rules import examine

from .planted import chain, convolution, found, layer, ones, only, random, resize, sub_pixel, transposed

UP = ones("up", (3, 3), 2)
BOX = convolution("box", np.ones((1, 1, 2, 2)))
SKIP = layer("skip", "Slice", (1, 1), (2, 2), output_size=(4, 4))


def pool(name: str, mode: str, kernel: int, stride: int) -> Layer:
    return layer(name, "Pool", (kernel, kernel), (stride, stride), mode=mode)


def test_three_layers_of_stride_2_compound_to_2_4_and_8() -> None:
    finding = only(chain(*(ones(name, (3, 3), 2) for name in "abc")), "FF004")
    assert (finding.level, finding.layer) == ("warning", "c")
    assert finding.message == (
        "3 uneven layers in a row (a, b, c): their grids have periods 2 x 2, 4 x 4, 8 x 8 behind this one"
    )


def test_different_strides_multiply() -> None:
    finding = only(chain(ones("a", (4,), 3), ones("b", (3,), 2), resize("c", (5,))), "FF004")
    assert finding.layer == "b"
    assert "periods 2, 6 behind" in finding.message


def test_one_uneven_layer_among_flat_ones_is_no_chain() -> None:
    flat = transposed("flat", flat_weights(random(1, 1, 3, 3), 2), 2)
    assert found(chain(UP, flat, resize("nearest", (2, 2))), "FF004") == []


def test_a_box_between_two_uneven_layers_breaks_the_chain() -> None:
    assert found(chain(UP, BOX, ones("b", (3, 3), 2)), "FF004") == []
    assert found(chain(UP, convolution("any", random(1, 1, 2, 2)), ones("b", (3, 3), 2)), "FF004") != []


def test_two_branches_are_told_at_the_end_of_each() -> None:
    a, b, c = UP, ones("b", (3, 3), 2, inputs=("up",)), ones("c", (3, 3), 2, inputs=("up",))
    findings = found(Network("fork", (a, b, c), outputs=("b", "c")), "FF004")
    assert [finding.layer for finding in findings] == ["b", "c"]


@pytest.mark.parametrize(
    ("remover", "reason"),
    [
        (BOX, "box (Conv 2 x 2, stride 1 x 1) sums every period of 2 x 2 evenly and removes it"),
        (convolution("box", np.ones((2, 1, 4, 4))), "box (Conv 4 x 4, stride 1 x 1) sums every period of 2 x 2 evenly"),
        (pool("mean", "average", 2, 2), "mean (Pool 2 x 2, stride 2 x 2) sums every period of 2 x 2 evenly"),
        (SKIP, "skip (Slice 1 x 1, stride 2 x 2) steps over whole periods of 2 x 2 and meets the same phase"),
    ],
)
def test_a_grid_that_is_provably_removed_is_a_note_with_the_reason(remover: Layer, reason: str) -> None:
    finding = only(chain(UP, remover), "FF001")
    assert finding.level == "note"
    assert f"none of it at the output; lowered: {reason}" in finding.message


def test_the_reason_names_the_period_that_arrives() -> None:
    network = chain(UP, ones("b", (3, 3), 2), convolution("box", np.ones((1, 1, 4, 4))))
    lowered = {finding.layer: finding.message for finding in found(network, "FF001")}
    assert "sums every period of 4 x 4 evenly" in lowered["up"]
    assert "sums every period of 2 x 2 evenly" in lowered["b"]
    assert [finding.level for finding in found(network, "FF004")] == ["note"]


@pytest.mark.parametrize(
    "behind",
    [
        convolution("conv", np.ones((1, 1, 3, 3))),  # a box, but 3 is no multiple of 2
        convolution("conv", random(1, 1, 2, 2)),
        convolution("conv", np.ones((1, 1, 2, 1))),  # a box along one axis only
        pool("mean", "average", 3, 1),
        pool("max", "max", 2, 1),
        layer("conv", "Conv", (2, 2), (1, 1)),  # weights unread
    ],
)
def test_what_proves_nothing_lowers_nothing(behind: Layer) -> None:
    assert only(chain(UP, behind), "FF001").level == "error"


def test_a_way_round_the_box_lowers_nothing() -> None:
    box = dataclasses.replace(BOX, inputs=("up",))
    network = Network("skip connection", (UP, box), outputs=("box", "up"))
    assert only(network, "FF001").level == "error"


def test_only_rules_about_the_grid_are_lowered() -> None:
    network = chain(resize("up", (2, 2)), convolution("conv", np.ones((1, 1, 2, 2)), padding=((1, 0), (1, 0))))
    assert "lowered" not in only(network, "FF007").message


def test_an_uneven_last_layer_is_undamped() -> None:
    finding = only(chain(UP), "FF009")
    assert (finding.level, finding.layer) == ("note", "up")
    assert finding.message == ("no convolution or average pool stands behind it; period 2 x 2 pixels of the output")


@pytest.mark.parametrize(
    ("behind", "hits"),
    [
        (convolution("conv", random(1, 1, 3, 3)), 0),
        (convolution("conv", random(1, 1, 1, 1)), 1),  # looks at one position: damps nothing
        (pool("mean", "average", 3, 1), 0),
        (pool("max", "max", 3, 1), 1),
        (resize("nearest", (2, 2)), 1),
        (sub_pixel("shuffle", np.ones((4, 1, 3, 3))), 0),  # its convolution has a step of 1
        (sub_pixel("shuffle", np.ones((4, 1, 1, 1))), 1),
    ],
)
def test_what_could_damp(behind: Layer, hits: int) -> None:
    assert len(found(chain(UP, behind), "FF009")) == hits


def test_a_flat_or_removed_grid_needs_no_damping() -> None:
    assert found(chain(transposed("flat", flat_weights(random(1, 1, 3, 3), 2), 2)), "FF009") == []
    assert found(chain(UP, BOX), "FF009") == []


def test_modules_are_told_apart_like_planted_layers() -> None:
    torch.manual_seed(0)
    box = nn.Conv2d(1, 1, 2, bias=False)
    nn.init.ones_(box.weight)
    up = nn.ConvTranspose2d(1, 1, 3, stride=2)
    signal = torch.zeros(1, 1, 4, 4)
    assert [(f.code, f.level) for f in examine(read_module(nn.Sequential(up, box), (signal,)))] == [("FF001", "note")]
    twice = nn.Sequential(up, nn.ReLU(), nn.ConvTranspose2d(1, 1, 4, stride=2))
    codes = [f.code for f in examine(read_module(twice, (signal,)))]
    assert codes == ["FF001", "FF002", "FF004", "FF009"]
