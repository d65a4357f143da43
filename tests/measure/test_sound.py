"""Tones at fs q/p that stay while the sound moves."""

from __future__ import annotations

import numpy as np
import pytest

from flatfield.measure import measure_tones

RATE = 16000


def voice(seed: int, seconds: float = 2.0) -> np.ndarray:
    """Gliding harmonics with pauses over breath noise, as speech has them."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(RATE * seconds)) / RATE
    pitch = 120 * (1 + 0.3 * np.sin(2 * np.pi * rng.uniform(1, 3) * time + rng.uniform(0, 6)))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    tone = sum(np.sin(k * phase + rng.uniform(0, 6)) / k for k in range(1, 40))
    loud = np.clip(np.sin(2 * np.pi * rng.uniform(1, 3) * time), 0, 1)
    return 0.1 * tone * loud + rng.normal(0, 0.002, time.size)


@pytest.mark.parametrize("period", [2, 3, 4, 8, 16])
def test_a_hum_under_a_voice_is_found(period: int) -> None:
    time = np.arange(2 * RATE)
    hum = 0.001 * np.cos(2 * np.pi * time / period + 0.3)
    tones = measure_tones(voice(0) + hum, RATE)
    assert tones.found() == (period,)
    at = tones.periods.index(period)
    assert RATE / period == pytest.approx(tones.frequencies[at][0])
    if period > 4:
        return  # the voice sings at the lower tones too; its own level is in theirs
    rms = 20 * np.log10(np.sqrt((hum**2).mean()))
    assert tones.strength[at] == pytest.approx(rms, abs=2)


def test_voices_and_noise_have_no_tones() -> None:
    """400 sounds without tones: at p = 0.01 at most 1% and four standard deviations of it."""
    rng = np.random.default_rng(4)
    sounds = [voice(seed) for seed in range(200)] + [rng.normal(0, 0.1, RATE) for _ in range(200)]
    p = np.array([measure_tones(sound, RATE).p_value for sound in sounds])
    assert (p < 0.01).mean() <= 0.01 + 4 * np.sqrt(0.01 / p.size)
    assert (p < 0.001).mean() <= 0.001 + 4 * np.sqrt(0.001 / p.size)


def test_silence_hums_audibly_and_is_silent_without() -> None:
    quiet = np.zeros(RATE)
    assert measure_tones(quiet, RATE).found() == ()
    hum = (1e-4 * np.cos(np.pi / 2 * np.arange(RATE))).astype(np.float32)
    assert measure_tones(hum, RATE, (2, 4)).found() == (4,)


def test_a_moving_tone_is_content() -> None:
    time = np.arange(4 * RATE) / RATE
    glide = 0.2 * np.sin(2 * np.pi * (1000 * time + 700 * time**2))  # 1 to 6.6 kHz, across RATE/4 and RATE/8
    assert measure_tones(glide + np.random.default_rng(0).normal(0, 1e-3, time.size), RATE, (2, 4, 8)).found() == ()


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (np.zeros(1000), "1000 samples is too short"),
        (np.zeros((2, 2, 2000)), "are no sound"),
        (np.full(2000, np.inf), "NaN or infinite"),
    ],
)
def test_what_is_no_sound_is_refused(wrong: np.ndarray, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        measure_tones(wrong, RATE)
