"""What rows of reshapes add up to: layers that nobody called by name."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from flatfield.network import Layer, Weight
from flatfield.readers import axes as ax
from flatfield.readers.axes import Axes, Axis, Role
from flatfield.readers.settle import (
    mosaic,
    narrowed,
    pixel_shuffle,
    pixel_unshuffle,
    repeated_pixels,
    shuffled_rows,
    sub_pixel,
    transposed,
    zero_insertion,
)


def behind(inner: Axis, size: int = 5) -> Axes:
    """A sound whose positions have `inner` behind them."""
    return (ax.fresh("batch", 2), ax.fresh("channel", 3), (*ax.fresh("space", size), *inner))


@pytest.mark.parametrize("phases", [(2,), (2, 3), (3, 2, 2)])
def test_rows_come_in_the_order_of_the_shuffle(phases: tuple[int, ...]) -> None:
    channels = 4
    count = channels * math.prod(phases)
    for places in itertools.permutations(range(len(phases) + 1)):
        sizes = [(channels, *phases)[i] for i in places]
        cut = ax.split(ax.fresh("channel", count), sizes)
        assert cut is not None
        digits = [cut[places.index(i + 1)] for i in range(len(phases))]
        moved = np.arange(count).reshape(sizes).transpose(np.argsort(places))
        assert shuffled_rows(count, digits).tolist() == moved.ravel().tolist()


def test_what_stands_behind_the_positions_decides() -> None:
    rules = {"copy": repeated_pixels, "zero": zero_insertion}
    roles: list[Role] = ["copy", "zero", "channel", "constant"]
    for role in roles:
        axes = behind(ax.fresh(role, 2))
        assert (pixel_shuffle(axes) is not None) == (role in ("channel", "constant"))
        for kind, rule in rules.items():
            layer = rule(axes)
            assert (layer is not None) == (role == kind)
            assert layer is None or (layer.stride, layer.input_size, layer.output_size) == ((2,), (5,), (10,))


def test_copies_beside_channels_are_phases_too() -> None:
    found = pixel_shuffle(behind((*ax.fresh("channel", 2), *ax.fresh("copy", 3))))
    assert found is not None
    assert (found[0].operator, found[0].stride) == ("PixelShuffle", (6,))


@pytest.mark.parametrize("role", ["batch", "space"])
def test_other_digits_behind_positions_are_nothing(role: Role) -> None:
    axes = behind(ax.fresh(role, 2))
    assert pixel_shuffle(axes) is None
    assert repeated_pixels(axes) is None
    assert zero_insertion(axes) is None


def test_part_of_the_channels_in_front_of_positions_is_a_mosaic() -> None:
    part, whole = ax.split(ax.fresh("channel", 6), (2, 3)), ax.fresh("channel", 6)
    assert part is not None
    assert mosaic((ax.fresh("batch", 2), part[1], (*part[0], *ax.fresh("space", 5))))
    assert not mosaic((ax.fresh("batch", 2), (*whole, *ax.fresh("space", 5))))
    assert not mosaic(behind(ax.fresh("channel", 2)))


def test_fine_positions_among_the_channels_are_an_unshuffle() -> None:
    cut = ax.split(ax.fresh("space", 12), (4, 3))
    assert cut is not None
    coarse, fine = cut
    layer = pixel_unshuffle((ax.fresh("batch", 2), (*ax.fresh("channel", 5), *fine), coarse))
    assert layer is not None
    assert (layer.stride, layer.input_size, layer.output_size) == ((3,), (12,), (4,))
    blocks = pixel_unshuffle((ax.fresh("batch", 2), (*ax.fresh("channel", 5), *coarse), fine))
    assert blocks is None


def weight(*shape: int) -> Weight:
    return Weight(shape, lambda: np.random.default_rng(0).normal(size=shape))


def plain(**settings: object) -> Layer:
    facts = {"kernel": (3,), "stride": (1,), "input_size": (5,), "output_size": (5,), "padding": ((1, 1),)}
    return Layer("conv", "Conv", **{**facts, "dilation": (1,), **settings})  # type: ignore[arg-type]


def test_a_sub_pixel_convolution_keeps_its_numbers_in_order() -> None:
    found = pixel_shuffle(behind(ax.fresh("channel", 2)))
    digits = ax.split(ax.fresh("channel", 6), (2, 3))
    assert found is not None
    assert digits is not None
    writer = plain(weight=weight(6, 4, 3), weight_shape=(6, 4, 3), bias=weight(6))
    layer = sub_pixel(writer, found[0], [digits[0]])
    assert layer.weight is not None
    assert layer.bias is not None
    order = [0, 3, 1, 4, 2, 5]
    np.testing.assert_array_equal(layer.weight.load(), weight(6, 4, 3).load()[order])
    np.testing.assert_array_equal(layer.bias.load(), weight(6).load()[order])
    assert (layer.operator, layer.name, layer.output_size) == ("SubPixelConv", "conv", (10,))
    assert sub_pixel(plain(weight_shape=(6, 4, 3)), found[0], [digits[0]]).weight is None


def test_a_convolution_behind_zeros_turns_its_kernel_round() -> None:
    insertion = zero_insertion(behind(ax.fresh("zero", 2)))
    assert insertion is not None
    layer = transposed(insertion, plain(weight=weight(6, 4, 3), weight_shape=(6, 4, 3), multiply_adds=100))
    assert layer.weight is not None
    np.testing.assert_array_equal(layer.weight.load(), weight(6, 4, 3).load().transpose(1, 0, 2)[:, :, ::-1])
    assert (layer.stride, layer.padding, layer.output_padding, layer.multiply_adds) == ((2,), ((1, 1),), (1,), 50)


def test_axes_of_one_place_are_dropped_until_the_dimensions_fit() -> None:
    facts = {"padding": ((0, 0), (0, 1)), "dilation": (1, 1), "output_padding": (0, 0)}
    sound = Layer("pool", "Pool", (1, 2), (1, 2), (1, 8), (1, 4), **facts)  # type: ignore[arg-type]
    layer = narrowed(sound, 1)
    assert (layer.kernel, layer.stride, layer.input_size, layer.padding) == ((2,), (2,), (8,), ((0, 1),))
    assert narrowed(sound, 2) is sound
    weighted = Layer("conv", "Conv", (1, 2), (1, 2), (1, 8), (1, 4), weight_shape=(1, 1, 1, 2))
    assert narrowed(weighted, 1) is weighted
