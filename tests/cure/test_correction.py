"""The fitted correction: planted grids are found, and nothing else is taken for one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from flatfield.core.taps import Ints
from flatfield.cure.calibration import CalibrationError, calibrate
from flatfield.cure.colours import Real
from flatfield.cure.correction import Correction, local_mean, phases
from flatfield.cure.correction_fit import fit_correction
from flatfield.lab.patches import to_tensor
from flatfield.lab.photographs import bundled


def smooth(rng: np.random.Generator, shape: Ints, reach: int = 3) -> Real:
    """Noise with the spectrum of a picture, more or less: a sum of boxes, no phase."""
    field = rng.normal(size=shape)
    for axis in range(2, len(shape)):
        for size in range(2, 2 + reach):
            field = field + sum(np.roll(field, shift, axis) for shift in range(size)) / size
    return np.asarray(field / field.std())


def planted(outputs: Real, period: Ints, tile: Callable[[Real, Real], Real]) -> Real:
    """Add to outputs what `tile(local mean, pattern)` gives; the pattern is +-1 by phase, and sums to zero."""
    sign = np.where(phases(outputs.shape[2:], period) % 2 == 0, 1.0, -1.0)
    return np.asarray(outputs + tile(local_mean(outputs, period), sign))


def locked(outputs: Real, period: Ints) -> float:
    """Rms of what all outputs have in common at each phase."""
    phase = phases(outputs.shape[2:], period).ravel()
    flat = outputs.reshape(*outputs.shape[:2], -1).mean(0)
    means = np.stack([flat[:, phase == p].mean(-1) for p in range(phase.max() + 1)])
    return float((means - means.mean(0)).std())


def corrected(outputs: Real, period: Ints, flats: Real | None = None) -> Correction:
    return fit_correction(calibrate([outputs], flats, period))


@pytest.mark.parametrize("period", [(2,), (3,), (4, 2), (3, 5), (2, 2, 2), (1, 4)])
def test_the_local_mean_has_no_grid(period: Ints) -> None:
    rng = np.random.default_rng(0)
    size = tuple(4 * step + 1 for step in period)
    tile = rng.normal(size=period)
    grid = np.tile(tile, [5] * len(period))[tuple(slice(0, n) for n in size)][None, None]
    np.testing.assert_allclose(local_mean(grid, period), tile.mean(), atol=1e-12)


@pytest.mark.parametrize("period", [(8,), (4, 4), (2, 2, 2)])
@pytest.mark.parametrize(("degree", "tile"), [
    (0, lambda mean, sign: 0.5 * sign + 0 * mean),
    (1, lambda mean, sign: 0.5 * sign * mean),
    (2, lambda mean, sign: 0.5 * sign * (mean**2 - 1)),
])  # fmt: skip
def test_a_planted_grid_is_found_and_taken_out(period: Ints, degree: int, tile: Callable[[Real, Real], Real]) -> None:
    rng = np.random.default_rng(1)
    size = {1: (512,), 2: (48, 48), 3: (16, 16, 16)}[len(period)]
    outputs = planted(smooth(rng, (24, 2, *size)), period, tile)
    correction = corrected(outputs, period)
    assert correction.degree == degree
    held = smooth(rng, (24, 2, *size))
    left = correction.apply(planted(held, period, tile)) - held
    before = planted(held, period, tile) - held
    assert left.std() < 0.35 * before.std()


@pytest.mark.parametrize("period", [2, 4, 8])
def test_photographs_are_left_as_they_are(period: int) -> None:
    """They have no phase; a mean over blocks would tell the corners of every block from its middle."""
    pictures = [to_tensor(p)[None].double().numpy() for p in bundled().training]
    assert fit_correction(calibrate(pictures, None, (period, period))).degree == -1


def test_what_a_generator_always_paints_in_one_place_is_no_grid() -> None:
    rng = np.random.default_rng(2)
    face = smooth(rng, (1, 3, 64, 64))
    outputs = face + 0.2 * smooth(rng, (32, 3, 64, 64))
    assert locked(outputs, (8, 8)) > 0.02
    assert corrected(outputs, (8, 8)).degree == -1


def test_flats_alone_can_decide() -> None:
    """A grid too faint for the noise of two small examples is plain on flat fields."""
    rng = np.random.default_rng(3)
    values = rng.uniform(-1, 1, size=(20, 1, 1, 1))
    flats = values + 0.02 * np.array([[1.0, -1.0], [-1.0, 1.0]])
    natural = smooth(rng, (2, 1, 12, 12)) + 0.02 * np.tile([[1.0, -1.0], [-1.0, 1.0]], (6, 6))
    assert corrected(natural, (2, 2)).degree == -1
    assert corrected(natural, (2, 2), flats).apply(flats.repeat(3, 2).repeat(3, 3)).shape == (20, 1, 6, 6)
    left = corrected(natural, (2, 2), flats).apply(np.tile(flats, (1, 1, 3, 3))) - values
    assert np.abs(left).max() < 0.01


def test_unlikely_colours_are_treated_as_the_nearest_likely_one() -> None:
    outputs = planted(smooth(np.random.default_rng(4), (24, 1, 48, 48)), (2, 2), lambda m, s: 0.3 * s * m)
    correction = corrected(outputs, (2, 2))
    far, farther = (correction.grid(np.full((1, 1, 8, 8), value)) for value in (1e2, 1e6))
    np.testing.assert_array_equal(far, farther)
    assert np.abs(far).max() < 3


def test_many_channels_are_corrected_each_by_its_own_mean() -> None:
    rng = np.random.default_rng(5)
    correction = corrected(planted(smooth(rng, (24, 19, 32, 32)), (2, 2), lambda m, s: 0.5 * s * m), (2, 2))
    assert correction.coefficients.shape[1:] == (19, 1, 1 + correction.degree)
    held = smooth(rng, (4, 19, 32, 32))
    grid = planted(held, (2, 2), lambda m, s: 0.5 * s * m)
    assert (correction.apply(grid) - held).std() < 0.35 * (grid - held).std()


@pytest.mark.parametrize(("natural", "flats", "period", "message"), [
    ([], None, (2, 2), "no example can't tell"),
    ([np.zeros((1, 3, 16, 16))], None, (2, 2), "one example can't tell a grid from what is in the picture: give two"),
    ([np.zeros((4, 3, 15, 32))], None, (8, 8), "outputs of 15 x 32 show less than two periods of 8 x 8: give larger"),
    ([np.full((4, 3, 16, 16), np.nan)], None, (2, 2), "hold NaN or infinite values: mend the model"),
    ([np.zeros((4, 3, 16, 16))], np.full((1, 3, 2, 2), np.inf), (2, 2), "hold NaN or infinite"),
    ([np.zeros((4, 3, 16, 16))], None, (2,), "a period of 2 does not fit outputs with 2 spatial dimensions"),
    ([np.zeros((2, 1, 64, 64, 64))], None, (32, 32, 32), "has 32768 phases, more than 4096: take recover"),
])  # fmt: skip
def test_what_tells_nothing_is_refused_in_one_line(
    natural: list[Real], flats: Real | None, period: Ints, message: str
) -> None:
    with pytest.raises(CalibrationError, match=message) as error:
        calibrate(natural, flats, period)
    assert "\n" not in str(error.value)


def test_constant_outputs_have_no_grid() -> None:
    """A dead model: no variance anywhere."""
    assert corrected(np.full((4, 3, 16, 16), 0.25), (2, 2)).degree == -1


def test_too_small_an_output_is_refused_at_run_time() -> None:
    with pytest.raises(ValueError, match=r"an output of 2 x 8 is smaller than one period of the grid, 4 x 4"):
        local_mean(np.zeros((1, 1, 2, 8)), (4, 4))
