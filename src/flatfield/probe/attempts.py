"""Attempts: where a flat field can begin, and on how small a torus, tried from the best to the last resort."""

from __future__ import annotations

from collections.abc import Iterator

from flatfield.core.taps import Ints
from flatfield.probe.first_pass import FirstPass
from flatfield.probe.passage import Passage, Subject
from flatfield.probe.plan import FIRST, INPUT, Plan
from flatfield.probe.unhonoured import NoGridError


def settled_plan(subject: Subject, seen: FirstPass, plan: Plan) -> tuple[Plan, Passage]:
    """Find where to begin and the smallest torus that the network runs on; gives that run too.

    A decoder begins at its first upsampler, where the example's own features are. Where something that is not flat
    goes round that layer (a skip connection), the network gets a flat input instead. Raises `NoGridError` where
    nothing flat can reach an output.
    """
    starts = [plan.start] if plan.start else [FIRST, INPUT]
    if not plan.start and not seen.upsamplers:
        starts = [INPUT]
    if not plan.start and not subject.spatial_sizes():
        starts = [FIRST]
    best: tuple[Plan, Passage] | None = None
    for start in starts:
        try:
            tried = _smallest(subject, seen, start, plan)
        except NoGridError:
            if start == starts[-1] and best is None:
                raise
            continue
        if best is None or tried[1].ledger.leaks < best[1].ledger.leaks:
            best = tried
        if not best[1].ledger.leaks:
            break
    assert best is not None
    return best


def _smallest(subject: Subject, seen: FirstPass, start: str, plan: Plan) -> tuple[Plan, Passage]:
    """Try small toruses; what a network that needs its own size raises is no error of its own."""
    for size in _sizes(subject, seen, start):
        chosen = Plan(start, plan.level, size, plan.pattern, plan.freeze)
        if not size:
            return chosen, subject.run(chosen, seen)
        try:
            passage = subject.run(chosen, seen)
        except Exception:
            continue
        if not passage.ledger.leaks:
            return chosen, passage
    raise AssertionError("the last size is the network's own")


def _sizes(subject: Subject, seen: FirstPass, start: str) -> Iterator[Ints]:
    """Sizes to try: the least, twice that (some layers refuse a single position), and the network's own."""
    if start == INPUT:
        inputs = subject.spatial_sizes()
        least = seen.smallest.get(len(inputs[0])) if inputs else None
        if least is not None and len({*inputs}) == 1:
            ratio = tuple(max(1, -(-n // max(1, m))) for n, m in zip(inputs[0], least, strict=True))
            for factor in (1, 2):
                if all(r * factor < n for r, n in zip(ratio, inputs[0], strict=True)):
                    yield tuple(r * factor for r in ratio)
    elif start == FIRST and seen.upsamplers:
        size = seen.upsamplers[0][1]
        for n in (1, 2):
            if min(size) > n:
                yield (n,) * len(size)
    yield ()
