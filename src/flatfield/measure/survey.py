"""Survey: look on while rows come, keep little, and give `Results` at the end."""

from __future__ import annotations

import heapq
from array import array
from collections import Counter

import numpy as np

from flatfield.measure.exhibit import Exhibit, exhibit
from flatfield.measure.pooled_spectrum import sample_spectrum
from flatfield.measure.results import DECIBELS, LEVELS, Results, bins
from flatfield.measure.rows import Row, Settings, measure_files

SHOWN = 40  # rows that are kept whole: the strongest, and as many that could not be read
WORST = 6  # pictures that are shown
MEDIAN = 3


class Survey:
    """Collect rows one by one: of each file its name and 9 bytes are kept, of the strongest the row.

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
        self.names: list[str] = []  # of pictures and batches
        self.strengths, self.found = array("d"), array("b")
        self.loud = array("d")  # of sounds with a tone

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
        self.names.append(row.file)
        self.strengths.append(strength)
        self.found.append(bool(row.periods))

    def results(self) -> Results:
        """Read the pictures that are shown, and the sample behind the spectrum, once more, and put all together."""
        rows = tuple(row for _, _, row in sorted(self.strongest, key=lambda item: item[:2], reverse=True))
        pictures = [row for row in rows if row.kind != "sound"][:WORST]
        return Results(
            settings=self.settings,
            files=self.files,
            errors=self.errors,
            with_grid=self.with_grid,
            strengths=bins(self.strengths, map(bool, self.found), LEVELS),
            loudness=bins(self.loud, [True] * len(self.loud), DECIBELS),
            periods=tuple(sorted(self.periods.items())),
            worst=tuple(exhibit(row, self.settings) for row in pictures),
            median=self._median({row.file for row in pictures}),
            spectrum=sample_spectrum(self.names, self.settings),
            rows=rows,
            failed=tuple(self.failed),
        )

    def _median(self, shown: set[str]) -> tuple[Exhibit, ...]:
        """The pictures in the middle of all, sorted by strength; none of those that are shown already."""
        order = np.lexsort((np.frombuffer(self.strengths), np.frombuffer(self.found, dtype=np.int8)))
        start = max(0, (len(order) - MEDIAN) // 2)
        names = [self.names[i] for i in order[start : start + MEDIAN] if self.names[i] not in shown]
        return tuple(
            exhibit(row, self.settings) if row.error is None else Exhibit(row, None, trouble=row.error)
            for row in measure_files(names, self.settings)
        )
