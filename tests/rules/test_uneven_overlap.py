"""FF001 and FF002: overlap that is uneven by geometry, and gains that are uneven although the overlap is even."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from flatfield.core import flat_weights, interpolation_kernel
from flatfield.network import Network
from flatfield.readers.pytorch import read_module
from flatfield.rules import examine

from .planted import chain, found, layer, ones, only, random, transposed

TINY = torch.zeros(1, 1, 4, 4)


@pytest.mark.parametrize(
    ("kernel", "stride", "message"),
    [
        # gains (2, 1): u = sqrt(1/10) = 0.3162
        ((3,), 2, "kernel 3, stride 2: 1 to 2 inputs write to an output; unevenness 0.316 (-10.0 dB), "
                  "period 2 samples of the output"),
        # gains (4, 2, 2, 1): u = sqrt(19/100) = 0.4359
        ((3, 3), 2, "kernel 3 x 3, stride 2 x 2: 1 to 4 inputs write to an output; unevenness 0.436 (-7.2 dB), "
                    "period 2 x 2 pixels of the output"),
        # u = sqrt(1 - 0.9^3) = 0.5206
        ((3, 3, 3), 2, "kernel 3 x 3 x 3, stride 2 x 2 x 2: 1 to 8 inputs write to an output; "
                       "unevenness 0.521 (-5.7 dB), period 2 x 2 x 2 pixels of the output"),
        # gains (2, 2, 1): u = sqrt(2/27) = 0.2722
        ((5,), 3, "kernel 5, stride 3: 1 to 2 inputs write to an output; unevenness 0.272 (-11.3 dB), "
                  "period 3 samples of the output"),
        # gains (1, 0): u = sqrt(1/2)
        ((1,), 2, "kernel 1, stride 2: 0 to 1 inputs write to an output; unevenness 0.707 (-3.0 dB), "
                  "period 2 samples of the output"),
    ],
)  # fmt: skip
def test_uneven_overlap_of_ones_is_an_error_with_its_numbers(
    kernel: tuple[int, ...], stride: int, message: str
) -> None:
    finding = only(chain(ones("up", kernel, stride)), "FF001")
    assert (finding.level, finding.layer, finding.message) == ("error", "up", message)
    dims = len(kernel)
    assert finding.cure == (f"use flatfield.nn.ResizeConv{dims}d or flatfield.nn.FlatConvTranspose{dims}d, then train")


def test_dilation_counts() -> None:
    # taps at 0 and 2 of a stride of 2: all of them write to phase 0
    finding = only(chain(transposed("up", np.ones((1, 1, 2)), 2, dilation=(2,))), "FF001")
    assert "0 to 2 inputs" in finding.message


def test_weights_that_can_not_be_read_are_judged_by_their_overlap() -> None:
    unread = layer("up", "ConvTranspose", (3, 3), (2, 2))
    assert "1 to 4 inputs write to an output; unevenness unknown" in only(chain(unread), "FF001").message
    even = layer("up", "ConvTranspose", (4, 4), (2, 2))
    assert examine(chain(even)) == ()


def test_weights_that_are_no_numbers_tell_nothing() -> None:
    broken = np.ones((1, 1, 3))
    broken[0, 0, 1] = np.nan
    assert (
        "unevenness unknown (weights unread, or not finite)"
        in only(chain(transposed("up", broken, 2)), "FF001").message
    )


@pytest.mark.parametrize("kernel", [(3,), (5,), (3, 3), (3, 3, 3)])
def test_flat_weights_on_an_uneven_overlap_raise_nothing(kernel: tuple[int, ...]) -> None:
    flat = flat_weights(random(2, 3, *kernel), 2)
    assert examine(chain(transposed("up", flat, 2))) == ()


def test_bilinear_weights_raise_nothing() -> None:
    taps = interpolation_kernel(2, "linear")[0]
    assert examine(chain(transposed("up", np.multiply.outer(taps, taps)[None, None], 2))) == ()


@pytest.mark.parametrize("kernel", [2, 3, 4, 5])
def test_a_transposed_convolution_of_stride_1_raises_nothing(kernel: int) -> None:
    assert examine(chain(transposed("same", random(2, 2, kernel, kernel), 1))) == ()
    module = nn.ConvTranspose2d(1, 1, kernel)
    assert examine(read_module(module, (TINY,))) == ()


def test_even_overlap_with_uneven_gains_is_a_warning() -> None:
    weight = np.array([[[1.0, 2.0, 3.0, 0.0]]])  # phases 1 + 3 and 2 + 0: 4 and 2, u = 1 / sqrt(10)
    network = chain(transposed("up", weight, 2))
    finding = only(network, "FF002")
    assert (finding.level, finding.layer) == ("warning", "up")
    assert finding.message == (
        "kernel 4, stride 2 overlaps evenly, its weights do not: unevenness 0.316 (-10.0 dB), "
        "period 2 samples of the output"
    )
    assert finding.cure == (
        "use flatfield.nn.FlatConvTranspose1d, flatten_weights(layer) or flatfield.nn.ResizeConv1d, then train"
    )
    assert found(network, "FF001") == []


def test_all_equal_weights_on_an_even_overlap_raise_nothing() -> None:
    assert examine(chain(ones("up", (4, 4), 2), ones("up2", (2, 2), 2))) == ()


@pytest.mark.parametrize(("off", "hits"), [(0.0, 0), (3.9e-3, 0), (4.1e-3, 1)])
def test_what_counts_as_flat(off: float, hits: int) -> None:
    # gains 2 + off and 2: u = off / 4 to first order, and flat is below 1e-3
    network = chain(transposed("up", np.array([[[1.0 + off, 1.0, 1.0, 1.0]]]), 2))
    assert len(found(network, "FF002")) == hits


def test_modules_are_told_apart_like_planted_layers() -> None:
    torch.manual_seed(0)
    uneven, even = nn.ConvTranspose2d(1, 1, 3, stride=2), nn.ConvTranspose2d(1, 1, 4, stride=2)
    assert [f.code for f in examine(read_module(uneven, (TINY,)))][:1] == ["FF001"]
    assert [f.code for f in examine(read_module(even, (TINY,)))][:1] == ["FF002"]
    nn.init.ones_(even.weight)
    assert examine(read_module(even, (TINY,))) == ()


def test_the_two_rules_never_tell_the_same_layer_twice() -> None:
    for kernel in range(1, 9):
        for stride in range(1, 5):
            network = chain(transposed("up", random(2, 2, kernel), stride))
            assert len(found(network, "FF001")) + len(found(network, "FF002")) == (stride > 1)


def test_a_fold_of_overlapping_windows_overlaps_too() -> None:
    fold = layer("fold", "Fold", (3, 3), (2, 2))
    assert "1 to 4 inputs" in only(chain(fold), "FF001").message
    assert found(chain(dataclasses.replace(fold, kernel=(4, 4))), "FF001") == []


def test_a_network_without_layers_raises_nothing() -> None:
    assert examine(Network("empty", ())) == ()
