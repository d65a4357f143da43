"""Many pictures of one generator: the faint adds up, the pictures don't; and where, and at which frequencies."""

from __future__ import annotations

import numpy as np
import pytest
from photographs import patches

from flatfield.measure import Pool, average_spectrum, measure_lattice, plant, strength_map


def test_the_pool_finds_what_no_single_picture_shows() -> None:
    clean = patches(64, 6, natural=True)[:160].astype(float)
    planted = plant(clean + np.random.default_rng(0).normal(0, 4, clean.shape), 4, 0.15, kind="additive")
    pool = Pool((2, 4, 8))
    pool.add(planted)
    assert np.mean([bool(found) for found in measure_lattice(planted, (2, 4, 8)).found()]) < 0.05
    assert pool.lattice().found() == ((4,),)
    assert pool.lattice().strength[0, 1] == pytest.approx(0.15, rel=0.25)


def test_clean_photographs_pool_to_nothing() -> None:
    clean = patches(64, 40)
    alarms = 0
    for start in range(0, 800, 32):
        pool = Pool()
        pool.add(clean[start : start + 32])
        alarms += bool(pool.lattice().found()[0])
    assert alarms == 0


def test_batches_add_up() -> None:
    pictures = plant(np.random.default_rng(1).normal(128, 8, (12, 3, 48, 48)), 2, 0.5)
    one, many = Pool((2, 4)), Pool((2, 4))
    one.add(pictures)
    for start in range(0, 12, 5):
        many.add(pictures[start : start + 5])
    assert many.lattice().p_values == pytest.approx(one.lattice().p_values, rel=1e-4)


def test_sizes_may_differ() -> None:
    pool = Pool((2, 4, 8))
    for size in (32, 48, 64):
        pool.add(plant(np.random.default_rng(size).normal(128, 8, (24, 1, size, size)), 2, 0.6))
    assert pool.lattice().found() == ((2,),)


def test_an_empty_pool_and_many_channels_are_refused() -> None:
    with pytest.raises(ValueError, match="the pool is empty"):
        Pool().lattice()
    with pytest.raises(ValueError, match="5 channels can't be pooled"):
        Pool().add(np.zeros((5, 32, 32)))


def test_the_map_shows_where() -> None:
    picture = np.random.default_rng(2).normal(128, 1, (3, 96, 96))
    picture[:, 32:64, 48:] += 6 * np.resize([1, 1, -1, -1], 48)
    heat = strength_map(picture, (4,), window=16)
    assert heat[40:56, 60:84].mean() == pytest.approx(6, rel=0.15)
    assert heat[:24].max() < 1
    assert heat[:, :36].max() < 1


def test_the_map_refuses_windows_and_batches() -> None:
    with pytest.raises(ValueError, match="window 8 is too small"):
        strength_map(np.zeros((32, 32)), (2,), window=8)
    with pytest.raises(ValueError, match="2 pictures at once"):
        strength_map(np.zeros((2, 3, 32, 32)), (2,))


def test_the_average_spectrum_has_its_peaks_at_the_harmonics() -> None:
    pictures = plant(np.random.default_rng(3).normal(128, 6, (32, 1, 64, 64)), 4, 2.0, axes="columns")
    peaks = average_spectrum(pictures).peaks()
    assert [str(f) for f in peaks[0].fractions] == ["1/4", "0"]
    assert len(peaks) == 1


def test_pooled_noise_has_honest_p_values() -> None:
    draw = np.random.default_rng(0)
    p = []
    for _ in range(400):
        pool = Pool()
        pool.add(draw.normal(128, 8, (16, 1, 32, 32)))
        p.append(pool.lattice().p_value[0])
    # 3 standard errors of 400 draws over 0.13, what single pictures of this size have; 0.23 without the correction
    assert np.mean(np.array(p) < 0.1) < 0.13 + 3 * np.sqrt(0.13 * 0.87 / 400)
