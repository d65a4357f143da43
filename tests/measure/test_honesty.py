"""False alarms on clean photographs and on noise, and what is found at which strength."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from numpy.typing import NDArray
from photographs import LOSSLESS, lossless, patches

from flatfield.measure import measure_lattice, plant

SIZES = {32: 60, 48: 250, 64: 250, 96: 250, 128: 250}  # pixels a side: patches of a photograph at most


@lru_cache(maxsize=1)
def clean_p_values() -> NDArray[np.float64]:
    out = []
    for size, most in SIZES.items():
        cut = patches(size, most)
        out += [measure_lattice(cut[i : i + 400]).p_value for i in range(0, len(cut), 400)]
    return np.concatenate(out)


def test_there_are_enough_patches() -> None:
    assert clean_p_values().size >= 5000


# The bounds are the requirement's; with N patches a share s has a standard deviation of sqrt(s / N): 0.14% and 0.04%.
@pytest.mark.parametrize(("level", "low", "high"), [(0.01, 0.007, 0.013), (0.001, 0.0, 0.002)])
def test_false_alarms_on_clean_photographs(level: float, low: float, high: float) -> None:
    assert low <= (clean_p_values() < level).mean() <= high


def test_noise_is_no_lattice() -> None:
    """White noise, of which nothing was fitted: shares within four standard deviations."""
    noise = np.random.default_rng(5).normal(128, 20, (4000, 1, 32, 32)).round().clip(0, 255).astype(np.uint8)
    p = measure_lattice(noise).p_value
    for level in (0.01, 0.001):
        assert (p < level).mean() <= level + 4 * np.sqrt(level / p.size)


@pytest.mark.parametrize("sharp", [True, False])
@pytest.mark.parametrize("period", [2, 4, 8])
def test_one_grey_level_is_seen_on_128_pixels(period: int, sharp: bool) -> None:
    """At strength 1 of 255, multiplicative, rounded to 8 bits, at p = 0.001: at least 0.95 of natural patches.

    `sharp`: with scikit-image's pictures at the sharpness of their sensors.
    """
    clean = patches(128, natural=True)
    clean = clean if sharp else clean[: len(clean) - sharp_ones()]
    planted = plant(clean, period, 1.0).round().clip(0, 255).astype(np.uint8)
    assert (measure_lattice(planted).p_value < 0.001).mean() >= 0.95


def sharp_ones() -> int:
    """How many of the natural patches of 128 pixels come from scikit-image, which are the last ones."""
    kept = [lossless(name) for name in LOSSLESS if name not in ("grass", "gravel")]
    return sum((p.shape[0] // 128) * (p.shape[1] // 128) for p in kept)


def test_detection_rises_with_strength() -> None:
    clean = patches(64, 40, natural=True)
    seen = [
        (measure_lattice(plant(clean, 4, strength).round().clip(0, 255).astype(np.uint8)).p_value < 0.01).mean()
        for strength in (0.25, 1.0, 4.0)
    ]
    assert seen == sorted(seen)
    assert seen[-1] >= 0.95


@pytest.mark.parametrize("factor", [2, 3, 1.5])
@pytest.mark.parametrize("how", ["BILINEAR", "BICUBIC", "LANCZOS"])
def test_enlarging_is_no_lattice(factor: float, how: str) -> None:
    """Interpolation keeps constants, so its spectral images vanish exactly at q/p: at most 2% at p = 0.01.

    Rounded with dither: a program that rounds halves up makes a true lattice (0.1 levels, period 3, bilinear by 3/2).
    """
    from PIL import Image

    small = patches(64, 8)[:200].astype(np.float32)
    size, kernel = (round(64 * factor),) * 2, Image.Resampling[how]
    large = np.array([[np.asarray(Image.fromarray(c).resize(size, kernel)) for c in s] for s in small])
    dithered = np.floor(large + np.random.default_rng(0).random(large.shape)).clip(0, 255).astype(np.uint8)
    assert (measure_lattice(dithered).p_value < 0.01).mean() <= 0.02
