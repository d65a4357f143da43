"""What a probe met and could not honour: the ledger, and the two ways in which a run can fail."""

from __future__ import annotations

from dataclasses import dataclass, field

from flatfield.report import UnreadReport


class WindowTooSmallError(Exception):
    """A tensor shows less than one period, so what lies outside it is unknown: run on a larger torus."""


class NoGridError(ValueError):
    """There is nothing to probe: no upsampling layer and no output with positions."""


@dataclass
class Ledger:
    """Operators that were run as they are although positions matter to them, each named once."""

    entries: dict[tuple[str, str, str], UnreadReport] = field(default_factory=dict)
    leaks: int = 0

    def add(self, name: str, operator: str, reason: str) -> None:
        """Note an operator."""
        self.entries.setdefault((name, operator, reason), UnreadReport(name, operator, reason))

    def leak(self, name: str, operator: str) -> None:
        """Note that something which is not flat, and comes from elsewhere, met the flat field here."""
        self.leaks += 1
        self.add(name, operator, "meets a tensor that is not flat and does not come from the flat field")
