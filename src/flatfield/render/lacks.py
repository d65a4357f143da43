"""Lacks: what a probe could not honour and which runs it could not make, a line each."""

from __future__ import annotations

from collections.abc import Iterator

from flatfield.report import ProbeReport


def lacks(probe: ProbeReport) -> Iterator[str]:
    """Say what is lacking, one line an operator and reason: a recurrent network has the same one many times.

    >>> from flatfield.report import UnreadReport
    >>> cut = [UnreadReport(name, "Concat", "joins tensors") for name in ("a", "b")]
    >>> late = UnreadReport("ramp", "RuntimeError", "only 8 x 8")
    >>> list(lacks(ProbeReport(unhonoured=tuple(cut), missing=(late,))))
    ['not honoured: a and 1 more (Concat): joins tensors', 'not run: ramp: only 8 x 8']
    """
    kinds: dict[tuple[str, str], list[str]] = {}
    for entry in probe.unhonoured:
        kinds.setdefault((entry.operator, entry.reason), []).append(entry.name)
    for (operator, reason), names in kinds.items():
        others = f" and {len(names) - 1} more" if len(names) > 1 else ""
        yield f"not honoured: {names[0]}{others} ({operator}): {reason}"
    yield from (f"not run: {entry.name}: {entry.reason}" for entry in probe.missing)
