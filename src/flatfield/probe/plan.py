"""Plan and Step: what one run on a flat field is to do, and what it notes of every layer."""

from __future__ import annotations

from dataclasses import dataclass

from flatfield.core.taps import Ints

INPUT, FIRST = ":input", ":first"
"""Where the flat field begins: at the network's input, or at the first layer that upsamples."""


@dataclass(frozen=True)
class Step:
    """One layer as the flat field passed it: its unevenness before and behind, 0 to 1."""

    name: str
    operator: str
    upsamples: bool
    before: float
    after: float


@dataclass(frozen=True)
class Plan:
    """One run: where the flat field begins, how many upsamplers are flattened, and on how large a torus.

    `level` counts upsampling layers: what the first `level` of them write is flattened again, so that only later
    ones draw. `size` is the torus at the first layer; empty: as large as the example makes it. `pattern` is added
    to the flat field there. `dims` is the number of spatial axes of the inputs that are flattened (0: any), so that
    a text beside a picture stays what it is.
    """

    start: str = FIRST
    level: int = 0
    size: Ints = ()
    pattern: str = ""
    dims: int = 0
    freeze: bool = True
