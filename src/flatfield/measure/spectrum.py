"""The averaged spectrum of a set of pictures, and the peaks that stand out of it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from flatfield.measure.lattice import pictures_of


@dataclass(frozen=True)
class Peak:
    """One spectral peak: frequencies in cycles a pixel, height over its surroundings in dB, the nearest q/p."""

    across: float
    down: float
    height: float
    fractions: tuple[Fraction, Fraction]


@dataclass(frozen=True)
class Spectrum:
    """Mean power spectrum of N pictures, in dB, zero frequency in the middle.

    `power` (H, W); `across` (W,) and `down` (H,) in cycles a pixel; `height` (H, W): dB over the local median.
    """

    power: NDArray[np.float64]
    height: NDArray[np.float64]
    across: NDArray[np.float64]
    down: NDArray[np.float64]
    pictures: int

    def peaks(self, least: float = 6.0, most: int = 20, largest: int = 16) -> tuple[Peak, ...]:
        """List local peaks at least `least` dB high, highest first; each pair of mirrored ones once.

        `fractions` are the nearest q/p with p up to `largest`.
        """
        top = self.height.copy()
        rows, columns = np.meshgrid(self.down, self.across, indexing="ij")
        low = np.hypot(rows, columns) < 1.5 / 32
        mirrored = (columns > 1e-9) | ((np.abs(columns) < 1e-9) & (rows > 1e-9))
        top[low | mirrored] = -np.inf
        out: list[Peak] = []
        while len(out) < most:
            y, x = np.unravel_index(int(top.argmax()), top.shape)
            if top[y, x] < least:
                break
            fx, fy = abs(float(self.across[x])), float(self.down[y]) * (-1.0 if self.across[x] < 0 else 1.0)
            nearest = tuple(Fraction(f).limit_denominator(largest) for f in (fx, fy))
            out.append(Peak(fx, fy, float(top[y, x]), (nearest[0], nearest[1])))
            top[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2] = -np.inf
        return tuple(out)


def average_spectrum(images: ArrayLike) -> Spectrum:
    """Average the power spectra of pictures (N, C, H, W), (C, H, W) or (H, W) of one size, channels together.

    Each picture is windowed (Hann) and divided by its own power before the mean is taken, so that none outweighs the
    rest. Raises ValueError on what is no picture. Eight pictures of noise with a checkerboard peak at (1/2, 1/2):

    >>> pictures = np.random.default_rng(0).normal(0, 4, (8, 1, 32, 32))
    >>> pictures += (-1.0) ** np.add.outer(np.arange(32), np.arange(32))
    >>> peak = average_spectrum(pictures).peaks()[0]
    >>> [str(f) for f in peak.fractions]
    ['1/2', '1/2']
    """
    from scipy.ndimage import median_filter  # noqa: PLC0415  # slow to import, and rarely needed

    array = pictures_of(images)
    n, _, height, width = array.shape
    window = np.hanning(height + 2)[1:-1, None] * np.hanning(width + 2)[1:-1]
    total = np.zeros((height, width))
    for start in range(0, n, 64):
        batch = array[start : start + 64].astype(np.float64)
        batch -= (batch * window).sum(axis=(-1, -2), keepdims=True) / window.sum()
        power = (np.abs(np.fft.fft2(batch * window)) ** 2).sum(axis=1)
        total += (power / np.maximum(power.mean(axis=(-1, -2), keepdims=True), 1e-30)).sum(axis=0)
    power = 10 * np.log10(np.fft.fftshift(total / n) + 1e-12)
    axes = [np.fft.fftshift(np.fft.fftfreq(size)) for size in (width, height)]
    return Spectrum(power, power - median_filter(power, size=7, mode="wrap"), axes[0], axes[1], n)
