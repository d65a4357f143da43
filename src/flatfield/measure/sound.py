"""Tones that an upsampling vocoder leaves at fs q / p, whatever is being said."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr

from flatfield.measure.evidence import calibrated, corrected, either
from flatfield.measure.harmonics import PERIODS, checked, primitive

Real = NDArray[np.float64]
FRAME = 1024  # samples; shorter sounds use less
SMALLEST = 1024
BESIDE = (3, 15)  # bins on either side of a tone that it is held against; a Hann window spreads over two


@dataclass(frozen=True)
class Tones:
    """What was found in one sound at P periods.

    `p_values` (P,): how often a sound without such tones shows this much; NaN where the frame can't tell. `strength`
    (P,): level of the period's tones in dB re full scale (-inf for none). `excess` (P,): how far the highest of them
    stands over its neighbourhood, in dB. `frequencies`: all tones looked at, in Hz, period by period.
    """

    rate: int
    periods: tuple[int, ...]
    p_values: Real
    strength: Real
    excess: Real
    frequencies: tuple[tuple[float, ...], ...]

    @property
    def p_value(self) -> float:
        """The smallest probability, corrected for the periods asked for."""
        return float(corrected(self.p_values[None])[0])

    def found(self, level: float = 0.001) -> tuple[int, ...]:
        """List the periods: none unless the corrected p-value is below `level`; else all whose own is."""
        if not self.p_value < level:
            return ()
        return tuple(p for p, q in zip(self.periods, self.p_values, strict=True) if q < level)


def checked_sound(samples: ArrayLike) -> Real:
    """Check and shape a sound: (L,) or (C, L) of at least 1024 samples becomes float (C, L); ValueError for others."""
    array = np.asarray(samples)
    if array.dtype.kind not in "iuf" or array.ndim not in (1, 2):
        raise ValueError(f"type {array.dtype} and shape {array.shape} are no sound: give (L,) or (C, L) numbers")
    if array.size == 0:
        raise ValueError(f"shape {array.shape} holds no samples")
    sound = array.reshape(-1, array.shape[-1]).astype(np.float64)
    if sound.shape[1] < SMALLEST:
        raise ValueError(f"a sound of {array.shape[-1]} samples is too short: give {SMALLEST} or more")
    if not np.isfinite(sound).all():
        raise ValueError("the sound holds NaN or infinite values: replace or cut them first")
    return sound / max(abs(int(np.iinfo(array.dtype).min)), 1) if array.dtype.kind == "i" else sound


def lasting_spectrum(sound: Real, frame: int) -> Real:
    """Average the spectrogram of (C, L), channels together, over its frames: mean level (F,) in dB.

    The mean of the logarithm keeps what is there in every frame, also in silence, and forgets what comes and goes: the
    moving harmonics of a voice.
    """
    from scipy.signal import stft  # noqa: PLC0415  # slow to import, and rarely needed

    _, _, frames = stft(sound, nperseg=frame, noverlap=frame // 2, boundary=None, padded=False, detrend="constant")
    power = (np.abs(frames) ** 2).sum(axis=0)
    quiet = 1e-12 * max(float(power.max()), 1e-20)
    return np.asarray(10 * np.log10(power + quiet).mean(axis=-1))


def measure_tones(
    samples: ArrayLike, rate: int, periods: tuple[int, ...] | list[int] | range = PERIODS, *, frame: int = FRAME
) -> Tones:
    """Measure tones at q/p of the sampling rate in one sound (L,) or (C, L) of 1024 samples or more.

    `rate` in samples a second; `periods` in samples, up to 64; `frame`: samples a spectrum is taken over. Each tone's
    time-averaged level in dB is held against the bins around it, with a straight line through them, by Student's t.
    Raises ValueError on what is no sound. Source: Pons et al. 2021 (arXiv:2010.14356) for the fault.

    One second of noise with a hum at a quarter of the rate, 36 dB below it:

    >>> noise = np.random.default_rng(0).normal(0, 0.1, 16000)
    >>> hum = 0.0126 * np.sin(np.pi / 2 * np.arange(16000))
    >>> tones = measure_tones(noise + hum, 16000, (2, 3, 4))
    >>> tones.found(), [f for f in tones.frequencies[2]]
    ((4,), [4000.0])
    """
    sound, wanted = checked_sound(samples), checked(periods)
    size = min(frame, 1 << int(np.log2(sound.shape[1] // 4)))
    level = lasting_spectrum(sound, size)
    p_values, strength, excess = (np.full(len(wanted), np.nan) for _ in range(3))
    for column, period in enumerate(wanted):
        tests = [tone_test(level, f * size) for f in primitive(period)]
        known = [t for t in tests if np.isfinite(t[0])]
        if not known:
            continue
        p_values[column] = calibrated(either(np.array([t[0] for t in known])[None]))[0]
        excess[column] = max(t[1] for t in known)
        near = [10 ** (level[round(f * size)] / 10) * (0.5 if f == 0.5 else 1.0) for f in primitive(period)]
        over = [n * max(1 - 10 ** (-t[1] / 10), 0) if t[0] < 0.01 else 0.0 for n, t in zip(near, tests, strict=True)]
        with np.errstate(divide="ignore"):
            strength[column] = 10 * np.log10(2 * sum(over))
    tones = tuple(tuple(f * rate for f in primitive(p)) for p in wanted)
    return Tones(int(rate), wanted, p_values, strength, excess, tones)


def tone_test(level: Real, place: float) -> tuple[float, float]:
    """Compare the level (F,) in dB at a bin `place` with the bins around it: probability and excess in dB.

    Student's t of a new observation on the straight line through the neighbours; NaN when there are too few.
    """
    centre = round(place)
    at = [b for k in range(*BESIDE) for b in (centre - k, centre + k) if 2 <= b < level.size - (place < level.size - 2)]
    if len(at) < 8:
        return np.nan, np.nan
    offset = np.array(at, dtype=np.float64) - place
    one_sided = bool((offset < 0).all())
    design = np.ones((len(at), 1)) if one_sided else np.stack([np.ones(len(at)), offset], axis=1)
    fit, *_ = np.linalg.lstsq(design, level[at], rcond=None)
    rest = level[at] - design @ fit
    free = len(at) - design.shape[1]
    spread = max(float(np.sqrt((rest**2).sum() / free)), 1e-3)
    here = np.array([1.0] if one_sided else [1.0, 0.0])
    widen = np.sqrt(1 + here @ np.linalg.solve(design.T @ design, here))
    height = float(level[centre] - fit[0])
    return float(stdtr(free, -height / (spread * widen))), height
