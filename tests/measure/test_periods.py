"""Planted lattices come back with their periods, axes, channels and strengths."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flatfield.measure import PERIODS, measure_lattice, plant
from flatfield.measure.harmonics import primitive

RNG = np.random.default_rng(7)
#: Wave of half ups and half downs: which orders q/p in lowest terms carry any of it.
ORDERS = {p: {d for d in range(2, p + 1) if p % d == 0} for p in PERIODS}


def noisy(count: int = 4, size: int = 128, channels: int = 3) -> np.ndarray:
    return RNG.normal(120, 3, (count, channels, size, size))


@pytest.mark.parametrize("period", PERIODS)
@pytest.mark.parametrize("axes", ["both", "columns", "rows"])
def test_every_period_is_found(period: int, axes: str) -> None:
    for found in measure_lattice(plant(noisy(), period, 2.0, axes=axes)).found():
        assert period in found
        assert set(found) <= ORDERS[period]


def test_four_alone_is_not_two_and_four() -> None:
    """[1, 1, -1, -1] has nothing at 1/2; [3, -1, -1, -1] has."""
    only = measure_lattice(noisy() + 2 * np.resize([1, 1, -1, -1], 128))
    both = measure_lattice(noisy() + 2 * np.resize([3, -1, -1, -1], 128))
    assert set(only.found()) == {(4,)}
    assert set(both.found()) == {(2, 4)}
    assert set(both.fundamental()) == {4}


def test_a_pure_checkerboard_is_found_though_the_axes_carry_none_of_it() -> None:
    board = (-1.0) ** np.add.outer(np.arange(64), np.arange(64))
    assert set(measure_lattice(noisy(size=64) + board).found()) == {(2,)}


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_one_channel_is_enough(channel: int) -> None:
    assert set(measure_lattice(plant(noisy(), 4, 1.5, channels=(channel,))).found()) == {(4,)}


def test_a_channel_is_seen_against_what_it_does_not_share() -> None:
    """All channels carry one texture of 20 levels, blue a grid of one: the difference shows it, blue alone doesn't."""
    texture = RNG.normal(0, 20, (1, 1, 64, 64)) + RNG.normal(0, 1, (1, 3, 64, 64)) + 128
    planted = plant(texture, 2, 1.0, kind="additive", channels=(2,))
    assert measure_lattice(planted).p_value[0] < 1e-6
    assert measure_lattice(planted[:, 2:]).p_value[0] > measure_lattice(planted).p_value[0]


@pytest.mark.parametrize("kind", ["additive", "multiplicative"])
@pytest.mark.parametrize("strength", [1.0, 5.0])
def test_strength_is_told_in_grey_levels(kind: str, strength: float) -> None:
    lattice = measure_lattice(plant(noisy(8), 2, strength, kind=kind), (2,))
    assert lattice.strength[:, 0] == pytest.approx(strength, rel=0.1)


@pytest.mark.parametrize("period", [8, 16])
def test_a_strong_lattice_of_long_period_keeps_its_strength(period: int) -> None:
    """Weights that are averaged over less than a period follow its steps; 0.75 is what a square wave may lose."""
    lattice = measure_lattice(plant(noisy(), period, 20.0))
    whole = np.sqrt((lattice.strength[:, [period % p == 0 for p in PERIODS]] ** 2).sum(axis=1))
    assert ((whole > 0.75 * 20) & (whole < 1.1 * 20)).all()


@pytest.mark.parametrize("scale", [1.0, 1 / 255])
def test_constant_ground_says_nothing(scale: float) -> None:
    """A figure on black, as scans and masks have it: three quarters of the picture carry no lattice and no weight."""
    picture = np.zeros((1, 1, 128, 128))
    picture[..., 40:104, 40:104] = plant(noisy(1, 64, 1), 2, 2.0, kind="additive")
    lattice = measure_lattice(picture * scale, (2, 4))
    assert lattice.found() == ((2,),)
    assert lattice.strength[0, 0] == pytest.approx(2.0 * scale, rel=0.1)


def test_relative_strength_does_not_change_with_contrast() -> None:
    planted = plant(noisy(), 2, 2.0)
    one, half = (measure_lattice(x, (2,)).relative for x in (planted, planted / 2))
    assert one == pytest.approx(half, rel=1e-3)


def test_a_mixed_chain_of_channels_gives_the_same_p_value() -> None:
    """T2 does not change when channels are mixed by an invertible matrix; the weights and floors hardly do."""
    planted = plant(noisy(2), 2, 0.4)
    mixed = np.einsum("dc,nchw->ndhw", np.linalg.qr(RNG.normal(size=(3, 3)))[0], planted)
    one, other = measure_lattice(planted, (2,)).p_value, measure_lattice(mixed, (2,)).p_value
    assert np.log10(one) == pytest.approx(np.log10(other), rel=0.05)


@given(st.integers(2, 64))
def test_primitive_harmonics_share_out_all_of_them(period: int) -> None:
    """The q/p of a period are those of its divisors, each once (Ramanujan's partition)."""
    whole = sorted(q / period for q in range(1, period // 2 + 1))
    parts = sorted(f for d in range(2, period + 1) if period % d == 0 for f in primitive(d))
    assert parts == pytest.approx(whole)


@settings(max_examples=20, deadline=None)
@given(st.integers(16, 70), st.integers(16, 70), st.integers(1, 6))
def test_any_size_and_any_channels(height: int, width: int, channels: int) -> None:
    pictures = np.random.default_rng(height * width).normal(128, 9, (2, channels, height, width))
    lattice = measure_lattice(pictures)
    known = np.isfinite(lattice.p_values)
    assert known[:, 0].all() or (channels == 4 and min(height, width) < 24)  # four channels need more bins
    assert ((lattice.p_values[known] >= 0) & (lattice.p_values[known] <= 1)).all()
    assert ((lattice.p_value > 0) & (lattice.p_value <= 1)).all()


def test_many_channels_are_measured_one_by_one() -> None:
    features = noisy(2, 64, 16)
    features[0, 5] += 2 * (-1.0) ** np.arange(64)
    assert measure_lattice(features).found() == ((2,), ())


def test_a_flat_picture_has_no_lattice() -> None:
    assert measure_lattice(np.full((3, 64, 64), 77, np.uint8)).found() == ((),)


def test_a_grey_picture_stored_as_rgb_counts_once() -> None:
    grey = noisy(6, 64, 1)
    one, three = measure_lattice(grey, (2, 4)), measure_lattice(np.repeat(grey, 3, axis=1), (2, 4))
    assert three.p_values == pytest.approx(one.p_values, rel=1e-2)


@pytest.mark.parametrize("gradient", [0.1, 0.21, 0.37])
def test_banding_of_a_rounded_slope_is_no_lattice(gradient: float) -> None:
    """A bent slope, as skies have it; a straight one of 1/p a pixel is a lattice of p once rounded."""
    slope = np.add.outer(np.arange(128) * 0.031, np.arange(128) * gradient + 0.001 * np.arange(128) ** 2)
    assert measure_lattice((60 + slope).round().astype(np.uint8)).found() == ((),)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (np.zeros((8, 64)), "64 x 8 is too small: 16 pixels a side"),
        (np.zeros(64), r"shape \(64,\) is no picture"),
        (np.full((16, 16), np.nan), "NaN or infinite"),
        (np.zeros((16, 16), complex), "type complex128"),
        (np.array([["a"]]), "can't be measured"),
    ],
)
def test_what_is_no_picture_is_refused(wrong: np.ndarray, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        measure_lattice(wrong)


@pytest.mark.parametrize(("periods", "told"), [((), "empty"), ((1,), "period 1 is out of range"), ((65,), "period 65")])
def test_periods_out_of_range_are_refused(periods: tuple[int, ...], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        measure_lattice(np.zeros((16, 16)), periods)


def test_planting_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ValueError, match="can't plant kind='odd'"):
        plant(np.zeros((16, 16)), 2, 1.0, kind="odd")
