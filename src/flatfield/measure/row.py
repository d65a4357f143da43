"""One file, one row: what is said of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from math import isnan, lcm, sqrt
from typing import Any

from flatfield.measure.harmonics import PERIODS
from flatfield.measure.lattice import Lattice
from flatfield.measure.media import LIMIT


@dataclass(frozen=True)
class Settings:
    """What every file of a run is measured with: all of it decides what a row says, but for `maps`, a folder."""

    periods: tuple[int, ...] = PERIODS
    level: float = 0.001
    every_pixel: bool = False
    limit: int = LIMIT
    maps: str | None = None

    def told(self) -> str:
        """Write out what decides the rows, to compare a run with the one it goes on from."""
        return f"periods={self.periods} level={self.level} every_pixel={self.every_pixel} limit={self.limit}"


AS_USUAL = Settings()


@dataclass(frozen=True)
class Row:
    """What is said about one file.

    `error` is None for a file that could be measured. `periods`: those found, in pixels (samples for sound);
    `fundamental`: the period of the whole tile, 0 for none; `strength`: rms in grey levels of all periods found (of the
    strongest asked for when none is), for sound their level in dB re full scale; `relative`: in units of the local
    detail (for sound dB over the neighbourhood); `p_value`: the smallest, corrected for the periods asked for;
    `jpeg_grid`: whether JPEG's own blocks are there, `jpeg_periods`: periods that these blocks explain, not listed
    in `periods`; `tones`: frequencies of the periods found, in Hz; `pictures`: how many are pooled in the row.
    """

    file: str
    error: str | None = None
    kind: str | None = None
    periods: tuple[int, ...] = ()
    fundamental: int = 0
    strength: float | None = None
    relative: float | None = None
    p_value: float | None = None
    jpeg_grid: bool | None = None
    jpeg_periods: tuple[int, ...] = ()
    tones: tuple[float, ...] = ()
    pictures: int = 0
    width: int = 0
    height: int = 0
    channels: int = 0
    p_values: tuple[float | None, ...] = field(default=())
    strengths: tuple[float | None, ...] = field(default=())

    def plain(self) -> dict[str, Any]:
        """Give the row as plain values; tuples as lists."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


def lattice_rows(
    files: list[str], kind: str, lattice: Lattice, settings: Settings, more: list[dict[str, Any]]
) -> list[Row]:
    """Write the row of each picture of a `Lattice`; `jpeg_periods` and sizes come in `more`, one for each."""
    p_value, found = lattice.p_value.tolist(), lattice.found(settings.level)
    plain = [x.tolist() for x in (lattice.p_values, lattice.strength, lattice.relative)]
    rows = []
    for file, p, periods, each, strength, relative, told in zip(files, p_value, found, *plain, more, strict=True):
        own = tuple(q for q in periods if q not in told.get("jpeg_periods", ()))
        which = [lattice.periods.index(q) for q in own]
        rows.append(
            Row(
                file,
                kind=kind,
                periods=own,
                fundamental=lcm(*own) if own else 0,
                strength=together(strength, which),
                relative=together(relative, which),
                p_value=p,
                p_values=tuple(None if isnan(v) else v for v in each),
                strengths=tuple(None if isnan(v) else v for v in strength),
                **told,
            )
        )
    return rows


def together(values: list[float], which: list[int]) -> float:
    """Add up the strengths of the periods found, as independent waves add; the largest known where none was.

    >>> together([3.0, 4.0, 9.0], [0, 1]), together([float("nan"), 2.0], [])
    (5.0, 2.0)
    """
    if which:
        return sqrt(sum(values[k] ** 2 for k in which))
    return max((v for v in values if not isnan(v)), default=0.0)
