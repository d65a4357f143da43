"""What a probe met and could not honour: the ledger, and the ways in which a run can fail."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field

from flatfield.report import UnreadReport

_NAMED = 8


class WindowTooSmallError(Exception):
    """A tensor shows less than one period, so what lies outside it is unknown: run on a larger torus."""


class NoGridError(ValueError):
    """There is nothing to probe: no upsampling layer and no output with positions."""


class UnknownLayerError(ValueError):
    """The flat field was to begin at a layer that did not run; names those that did, the nearest ones if many."""

    def __init__(self, name: str, layers: Sequence[str]) -> None:
        ran = list(dict.fromkeys(layers))
        near = ran if len(ran) <= _NAMED else difflib.get_close_matches(name, ran, _NAMED, 0.0)
        more = f", and {len(ran) - len(near)} more" if len(ran) > len(near) else ""
        super().__init__(f"no layer {name!r} ran; those that did: {', '.join(near) or 'none'}{more}")


class NotFiniteError(ValueError):
    """The network made infinity, or no number, of a flat field."""


NO_OUTPUT = "no output has positions that come from the flat field (a classifier is probed backwards: probe_gradient)"


def missed(run: str, error: Exception) -> UnreadReport:
    """Note a run that could not be made, with the reason.

    >>> missed("ramp", ValueError("no  such size")).reason
    'no such size'
    """
    reason = " ".join(str(error).split())[:300] or "no message"
    return UnreadReport(run, type(error).__name__, reason)


@dataclass
class Ledger:
    """Operators that were run as they are although positions matter to them, each named once.

    A `lenient` run takes a window that shows less than one period for a whole one, and lists it: there is no larger
    torus to try.
    """

    entries: dict[tuple[str, str, str], UnreadReport] = field(default_factory=dict)
    leaks: int = 0
    lenient: bool = False

    def add(self, name: str, operator: str, reason: str) -> None:
        """Note an operator."""
        self.entries.setdefault((name, operator, reason), UnreadReport(name, operator, reason))

    def refuse_more_than(self, other: Ledger) -> None:
        """Raise `ValueError` where this run met something that the other one did not."""
        more = next((entry for place, entry in self.entries.items() if place not in other.entries), None)
        if more is not None:
            raise ValueError(f"not honoured there: {more.name} ({more.operator}): {more.reason}")

    def period(self, name: str, operator: str, period: int, size: int) -> int:
        """The period that a window of `size` positions can be continued with."""
        if period <= size:
            return period
        if not self.lenient:
            raise WindowTooSmallError(f"{size} positions of a signal with period {period}")
        self.add(name, operator, f"sees {size} positions of a grid of period {period}: give a larger input")
        return size

    def leak(self, name: str, operator: str) -> None:
        """Note that something which is not flat, and comes from elsewhere, met the flat field here."""
        self.leaks += 1
        self.add(name, operator, "meets a tensor that is not flat and does not come from the flat field")
