"""NaturalGrid: the grid in a model's natural outputs: what all of them have in common at each phase of a period."""

from __future__ import annotations

import importlib.util
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from flatfield.core.taps import Ints
from flatfield.network import Network

if TYPE_CHECKING:
    from flatfield.measure.pool import Pool

Real = npt.NDArray[np.float64]
LONGEST = 4096
"""Positions, over all axes, of the largest period that is looked for."""
_ASKED = 64  # the longest period that the lattice statistic is asked for
_CHANNELS, _PIXELS, _SAMPLES = 4, 16, 1024  # what the lattice statistic takes
_SOUNDS = 64  # of these many outputs the tones are measured: their spectra are averaged


def output_period(network: Network) -> Ints:
    """Give the period, along each axis, of everything that the network's upsampling layers can draw at its output.

    The least common multiple over the layers; empty where nothing upsamples, or where it is larger than `LONGEST`.

    >>> from flatfield.targets import open_target
    >>> output_period(open_target("example:deconv")), output_period(open_target("example:classifier"))
    ((8, 8), ())
    """
    periods = [network.output_period(layer) for layer in network.layers if layer.upsamples]
    dims = max(map(len, periods), default=0)
    period = tuple(math.lcm(*axis) for axis in zip(*(p for p in periods if len(p) == dims), strict=True))
    return period if 1 < math.prod(period) <= LONGEST else ()


class NaturalGrid:
    """Collect outputs of one model, and tell what they have in common at each phase of `period`.

    Natural pictures and sounds have no phase: whatever is locked to it, in all of them, is the model's own grid. Where
    an axis holds four periods or more, the first and the last are left out: zero padding, too, keeps its place.
    Outputs are (..., *space) with as many axes of space as the period; axes in front of the channels are examples.

    >>> grid = NaturalGrid((2, 2))
    >>> grid.add(np.tile([[1.0, -1.0], [-1.0, 1.0]], (8, 8))[None, None])
    >>> grid.rms
    1.0
    """

    def __init__(self, period: Ints) -> None:
        self.period = period
        self.sums: Real | None = None
        self.count = 0
        self.asked = tuple(p for p in range(2, _ASKED + 1) if any(axis % p == 0 for axis in period))
        self.pictures = _pool(self.asked) if len(period) == 2 else None
        self.sounds: list[npt.NDArray[np.float32]] = []

    def add(self, output: npt.NDArray[Any]) -> None:
        """Add one batch; outputs too small for a period are passed over."""
        dims = len(self.period)
        if not dims or output.ndim < dims + 1:
            return
        output = output[(..., *(_within(n, p) for n, p in zip(output.shape[-dims:], self.period, strict=True)))]
        shape = output.shape[len(output.shape) - dims :]
        whole = tuple(n - n % p for n, p in zip(shape, self.period, strict=True))
        if 0 in whole or 0 in output.shape:
            return
        channels = output.shape[-dims - 1] if output.ndim > dims + 1 else 1
        batch = output.reshape(-1, channels, *shape)
        self._keep(batch)
        inside = (slice(None), slice(None), *(slice(0, n) for n in whole))
        folded = batch[inside].astype(np.float64)
        cut = [part for n, p in zip(whole, self.period, strict=True) for part in (n // p, p)]
        folded = folded.reshape(len(batch), channels, *cut)
        sums = folded.sum(axis=(0, *range(2, 2 + 2 * dims, 2)))
        self.sums = sums if self.sums is None else self.sums + sums
        self.count += len(batch) * math.prod(n // p for n, p in zip(whole, self.period, strict=True))

    def _keep(self, batch: npt.NDArray[Any]) -> None:
        """Pool what the lattice statistic is for: pictures of up to four channels, and sounds."""
        if batch.shape[1] > _CHANNELS or not np.isfinite(batch).all():
            return
        if self.pictures is not None and min(batch.shape[2:]) >= _PIXELS:
            self.pictures.add(batch.astype(np.float32))
        elif batch.ndim == 3 and batch.shape[-1] >= _SAMPLES and len(self.sounds) < _SOUNDS:
            self.sounds.append(batch.astype(np.float32))

    @property
    def rms(self) -> float | None:
        """Rms over phases and channels of what departs from the channel's mean; None where nothing had the period."""
        if self.sums is None:
            return None
        tile = self.sums / self.count
        space = tuple(range(1, tile.ndim))
        return float(np.sqrt(np.mean((tile - tile.mean(axis=space, keepdims=True)) ** 2)))

    def lattice(self) -> tuple[tuple[int, ...], float | None]:
        """Test all outputs as one: the periods found at p < 0.001, and the probability; (), None where it can't be.

        Pictures by the pooled lattice statistic, sounds by the tones that stand out of their averaged spectrum.
        """
        found: Ints = ()
        p_value = math.nan
        if self.pictures is not None and self.pictures.groups:
            lattice = self.pictures.lattice()
            found, p_value = lattice.found()[0], float(lattice.p_value[0])
        elif self.sounds and self.asked and importlib.util.find_spec("scipy") is not None:
            found, p_value = _sounds(self.sounds, self.asked)
        return found, p_value if math.isfinite(p_value) else None


def _within(size: int, period: int) -> slice:
    """All of an axis, or all but a period at either end."""
    return slice(period, size - period) if size >= 4 * period > 4 else slice(None)


def _pool(asked: Ints) -> Pool | None:
    """A pool for pictures; None without SciPy, or where no period is asked for."""
    if not asked or importlib.util.find_spec("scipy") is None:
        return None
    from flatfield.measure.pool import Pool  # noqa: PLC0415 - SciPy comes with an extra

    return Pool(asked)


def _sounds(kept: list[npt.NDArray[np.float32]], asked: Ints) -> tuple[Ints, float]:
    from flatfield.measure.sound import measure_tones  # noqa: PLC0415 - SciPy comes with an extra

    shortest = min(batch.shape[-1] for batch in kept)
    sounds = np.concatenate([batch[..., :shortest].reshape(-1, shortest) for batch in kept])[:_SOUNDS]
    if not sounds.any():
        return (), math.nan
    tones = measure_tones(sounds, 1, asked)
    return tones.found(), tones.p_value
