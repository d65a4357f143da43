"""Sounds: Debian's sonic-pi-samples, as short pieces and their spectra."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from flatfield.lab.draw import Draw

SAMPLES = Path("/usr/share/sonic-pi/samples")
TRAINING = (
    "ambi_piano",
    "guit_e_fifths",
    "bass_woodsy_c",
    "ambi_choir",
    "perc_bell",
    "drum_cymbal_soft",
    "guit_harmonics",
)
HELD_OUT = ("guit_em9", "ambi_glass_rub")
RATE = 22_050
HOP, WINDOW = 16, 128
FRAMES = 64


def missing() -> str | None:
    """Say what is missing for sound, None where nothing is."""
    if find_spec("soundfile") is None:
        return "soundfile is not installed: pip install soundfile"
    absent = [name for name in (*TRAINING, *HELD_OUT) if not (SAMPLES / f"{name}.flac").exists()]
    if absent:
        return f"{SAMPLES} lacks {', '.join(absent)}: apt install sonic-pi-samples"
    return None


@lru_cache(maxsize=2)
def sounds(names: tuple[str, ...]) -> tuple[Tensor, ...]:
    """Load samples: one channel, 22,050 Hz (pairs of samples averaged), the loudest at 0.9, 20 seconds at the most."""
    import soundfile  # type: ignore[import-untyped]  # noqa: PLC0415 - only this experiment needs it

    loaded = []
    for name in names:
        data, _ = soundfile.read(SAMPLES / f"{name}.flac", dtype="float32", always_2d=True, frames=20 * 2 * RATE)
        mono = data.mean(axis=1)
        halved = mono[: len(mono) // 2 * 2].reshape(-1, 2).mean(axis=1)
        loaded.append(torch.from_numpy(0.9 * halved / max(float(np.abs(halved).max()), 1e-6)))
    return tuple(loaded)


def spectrum(sound: Tensor) -> Tensor:
    """Give what the decoder hears: (n, t) -> log magnitudes (n, WINDOW / 2 + 1, t / HOP), about 0 to 1.

    >>> tuple(spectrum(torch.zeros(2, 320)).shape)
    (2, 65, 20)
    """
    padded = torch.nn.functional.pad(sound, ((WINDOW - HOP) // 2, WINDOW // 2 - HOP // 2))
    frames = padded.unfold(1, WINDOW, HOP)
    magnitudes = torch.fft.rfft(frames * torch.hann_window(WINDOW, dtype=sound.dtype, device=sound.device)).abs()
    levels: Tensor = (magnitudes + 1e-3).log10().add(3.0).div(4.0).transpose(1, 2)
    return levels


@dataclass(frozen=True)
class Pieces:
    """Random pieces of `FRAMES * HOP` samples."""

    sounds: tuple[Tensor, ...]

    def sample(self, draw: Draw) -> Tensor:
        """Draw this process's pieces of one step, (rows, samples)."""
        which = draw.integers(len(self.sounds))
        places = draw.integers(2**31)
        length = FRAMES * HOP
        return torch.stack(
            [
                self.sounds[int(w)][(start := int(p) % (len(self.sounds[int(w)]) - length)) : start + length]
                for w, p in zip(which, places, strict=True)
            ]
        )

    def spread(self, count: int) -> Tensor:
        """Give `count` pieces, spread evenly over all sounds."""
        length = FRAMES * HOP
        every = torch.cat([sound[: len(sound) // length * length].view(-1, length) for sound in self.sounds])
        return every[torch.linspace(0, len(every) - 1, min(count, len(every))).round().long()]
