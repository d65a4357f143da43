"""Survey: look on while rows come, keep little, and give `Results` at the end."""

from __future__ import annotations

import heapq
import random
from array import array
from collections import Counter

import numpy as np

from flatfield.measure.exhibit import Exhibit, exhibit
from flatfield.measure.pooled_spectrum import sample_spectrum
from flatfield.measure.results import DECIBELS, LEVELS, Results, bins
from flatfield.measure.row import Row, Settings
from flatfield.measure.rows import measure_files

SHOWN = 40  # rows that are kept whole: the strongest, and as many that could not be read
WORST = 6  # pictures that are shown
MEDIAN = 3
DRAWN = 1024  # pictures whose names are kept: all of a small run, of a large one so many drawn at random


class Survey:
    """Collect rows one by one: of each file 8 bytes are kept, of the strongest the row, of some the name.

    >>> survey = Survey(Settings())
    >>> survey.add(Row("a.png", kind="picture", periods=(2,), strength=3.0, p_value=0.0))
    >>> survey.files, survey.with_grid
    (1, 1)
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.files = self.errors = self.with_grid = 0
        self.periods = Counter[int]()
        self.strongest: list[tuple[tuple[bool, float], int, Row]] = []
        self.failed: list[Row] = []
        self.clean, self.grids = array("d"), array("d")  # strengths of pictures and batches
        self.loud = array("d")  # of sounds with a tone
        self.drawn: list[tuple[bool, float, str]] = []
        self.random = random.Random(0)  # the same files give the same page

    def add(self, row: Row) -> None:
        """Count a row; keep it whole if it is among the strongest."""
        self.files += 1
        if row.error is not None:
            self.errors += 1
            self.failed = [*self.failed, row][:SHOWN]
            return
        self.with_grid += bool(row.periods)
        self.periods.update(row.periods)
        strength = row.strength if row.strength is not None else float("-inf")
        heapq.heappush(self.strongest, ((bool(row.periods), strength), -self.files, row))
        if len(self.strongest) > SHOWN:
            heapq.heappop(self.strongest)
        if row.kind == "sound":
            if row.periods:
                self.loud.append(strength)
            return
        (self.grids if row.periods else self.clean).append(strength)
        self._draw((bool(row.periods), strength, row.file))

    def _draw(self, one: tuple[bool, float, str]) -> None:
        """Keep each picture with the same probability, however many come (Vitter 1985, algorithm R)."""
        seen = len(self.grids) + len(self.clean)
        if seen <= DRAWN:
            self.drawn.append(one)
        elif (place := self.random.randrange(seen)) < DRAWN:
            self.drawn[place] = one

    def results(self) -> Results:
        """Read the pictures that are shown, and the sample behind the spectrum, once more, and put all together."""
        rows = tuple(row for _, _, row in sorted(self.strongest, key=lambda item: item[:2], reverse=True))
        pictures = [row for row in rows if row.kind != "sound"][:WORST]
        return Results(
            settings=self.settings,
            files=self.files,
            errors=self.errors,
            with_grid=self.with_grid,
            strengths=bins((self.grids, self.clean), LEVELS),
            loudness=bins((self.loud, ()), DECIBELS),
            periods=tuple(sorted(self.periods.items())),
            worst=tuple(exhibit(row, self.settings) for row in pictures),
            median=self._median({row.file for row in pictures}),
            spectrum=sample_spectrum([name for _, _, name in self.drawn], self.settings),
            rows=rows,
            failed=tuple(self.failed),
        )

    def _median(self, shown: set[str]) -> tuple[Exhibit, ...]:
        """The pictures in the middle, clean ones first, then by strength; none of those that are shown already."""
        where = (len(self.grids) + len(self.clean)) // 2 - len(self.clean)
        half, strengths = (True, self.grids) if where >= 0 else (False, self.clean)
        if not strengths:
            return ()
        middle = float(np.partition(np.frombuffer(strengths), where)[where])
        near = sorted(self.drawn, key=lambda one: (one[0] != half, abs(one[1] - middle), one[2]))
        names = [name for _, _, name in near if name not in shown][:MEDIAN]
        return tuple(
            exhibit(row, self.settings) if row.error is None else Exhibit(row, None, trouble=row.error)
            for row in measure_files(names, self.settings)
        )
