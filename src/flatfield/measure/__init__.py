"""Measure how much grid is in pictures or in sound, from pixels and samples alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flatfield.measure.harmonics import PERIODS
from flatfield.measure.heatmap import strength_map
from flatfield.measure.jpeg import BlockGrid, find_blocks
from flatfield.measure.lattice import Lattice, measure_lattice
from flatfield.measure.planted import plant
from flatfield.measure.pool import Pool
from flatfield.measure.sound import Tones, measure_tones
from flatfield.measure.spectrum import Peak, Spectrum, average_spectrum

if TYPE_CHECKING:
    from flatfield.measure.metric import Checkerboard

__all__ = [
    "PERIODS",
    "BlockGrid",
    "Checkerboard",
    "Lattice",
    "Peak",
    "Pool",
    "Spectrum",
    "Tones",
    "average_spectrum",
    "find_blocks",
    "measure_lattice",
    "measure_tones",
    "plant",
    "strength_map",
]


def __getattr__(name: str) -> Any:
    """Import the torchmetrics metric only when it is asked for: nothing else here needs PyTorch."""
    if name == "Checkerboard":
        from flatfield.measure.metric import Checkerboard  # noqa: PLC0415

        return Checkerboard
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
