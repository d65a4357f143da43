"""The spectrum of a sample of a run's pictures, whatever their sizes: what they share, and nothing else, stands out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from flatfield.measure.exhibit import middle, pixels_of
from flatfield.measure.lattice import MIXED
from flatfield.measure.row import Settings
from flatfield.measure.spectrum import Spectrum, average_spectrum

SAMPLE = 128  # files that are read again
WINDOW = 128  # pixels a side of the windows that are averaged over
READ = 2 * WINDOW  # pixels a side that are kept of a picture


def sampled(files: list[str], most: int = SAMPLE) -> list[str]:
    """Choose at most `most` files, spread evenly over the list.

    >>> sampled(list("abcdef"), 3)
    ['b', 'd', 'f']
    """
    if len(files) <= most:
        return list(files)
    return [files[i] for i in ((np.arange(most) + 0.5) * len(files) / most).astype(int)]


def sample_spectrum(files: list[str], settings: Settings) -> Spectrum | None:
    """Average the spectra of a sample of these files; None where none of them can be read any more."""
    return pooled_spectrum(_crops(sampled(files), settings))


def _crops(files: Iterable[str], settings: Settings) -> Iterator[NDArray[np.generic]]:
    for file in files:
        try:
            crop = middle(pixels_of(file, settings.limit), READ)
        except (ValueError, OSError, MemoryError):
            continue  # it was measured, and is gone: the sample is smaller by one, and says how many it holds
        yield crop[:MIXED].copy()  # a view would keep all of the picture


def pooled_spectrum(pictures: Iterable[NDArray[np.generic]]) -> Spectrum | None:
    """Average the spectra of pictures (C, H, W) of any sizes over square windows; None for no picture.

    The windows are as wide as most of the pictures are, 16 to 128 pixels; pictures below that are left out.

    >>> noise = np.random.default_rng(0).normal(128, 4, (12, 1, 40, 48))
    >>> spectrum = pooled_spectrum(noise + (-1.0) ** np.arange(48))
    >>> spectrum.power.shape, [str(f) for f in spectrum.peaks()[0].fractions], spectrum.pictures
    ((32, 32), ['1/2', '0'], 12)
    """
    kept = list(pictures)
    if not kept:
        return None
    typical = float(np.median([min(picture.shape[-2:]) for picture in kept]))
    side = int(np.clip(2 ** np.floor(np.log2(typical)), 16, WINDOW))
    large = [picture for picture in kept if min(picture.shape[-2:]) >= side]
    # in colour as in grey: the mean over channels of what `average_spectrum` sums
    parts = [average_spectrum(_windows(picture, side)) for picture in large]
    mean = np.mean([10 ** (part.power / 10) for part in parts], axis=0)
    return _told(10 * np.log10(mean + 1e-12), parts[0], len(large))


def _told(power: NDArray[np.float64], like: Spectrum, pictures: int) -> Spectrum:
    from scipy.ndimage import median_filter  # noqa: PLC0415

    height = power - median_filter(power, size=7, mode="wrap")
    return Spectrum(power, height, like.across, like.down, pictures)


def _windows(picture: NDArray[np.generic], side: int) -> NDArray[np.generic]:
    """Windows (N, C, side, side) that fill a picture from its corner, at most four."""
    rows, columns = (min(2, length // side) for length in picture.shape[-2:])
    parts = [
        picture[:, y * side : (y + 1) * side, x * side : (x + 1) * side] for y in range(rows) for x in range(columns)
    ]
    return np.stack(parts)
