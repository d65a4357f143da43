"""Attempts: where a flat field can begin, and on how small a torus, tried from the best to the last resort."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from flatfield.core.taps import Ints
from flatfield.probe.first_pass import FirstPass
from flatfield.probe.passage import Passage, Subject
from flatfield.probe.plan import FIRST, INPUT, Plan
from flatfield.probe.unhonoured import NO_OUTPUT, NoGridError


def settled_plan(subject: Subject, seen: FirstPass, plan: Plan) -> tuple[Plan, Passage]:
    """Find where to begin and the smallest torus that the network runs on; gives that run too.

    A decoder begins at its first upsampler, where the example's own features are. Where something that is not flat
    goes round that layer (a skip connection), the network gets a flat input instead. Raises `NoGridError` where
    nothing flat can reach an output.
    """
    best: tuple[Plan, Passage] | None = None
    failure = NoGridError(NO_OUTPUT)
    dims = len(seen.upsamplers[0][1]) if seen.upsamplers else max(seen.smallest, default=0)
    plan = replace(plan, dims=dims if subject.spatial_sizes(dims) else 0)
    for start, size in _attempts(subject, seen, plan):
        chosen = replace(plan, start=start, size=size)
        try:
            passage = subject.run(chosen, seen)
        except NoGridError as error:
            failure = error
            continue
        except Exception:
            if not size:
                raise
            continue  # whatever a network makes of a size that it was not made for is no error of its own
        if not passage.ledger.leaks:
            return chosen, passage
        if not size and (best is None or passage.ledger.leaks < best[1].ledger.leaks):
            best = chosen, passage
    if best is None:
        raise failure
    return best


def _attempts(subject: Subject, seen: FirstPass, plan: Plan) -> Iterator[tuple[str, Ints]]:
    """Small toruses first, wherever they begin: the network's own size costs as much as all of them."""
    starts = (
        [plan.start]
        if plan.start
        else [*([seen.start] if seen.upsamplers else []), *([INPUT] if subject.spatial_sizes() else [])]
    )
    for small in (True, False):
        for place in starts or [FIRST]:
            yield from ((place, size) for size in _sizes(subject, seen, place, plan.dims) if bool(size) is small)


def _sizes(subject: Subject, seen: FirstPass, start: str, dims: int) -> Iterator[Ints]:
    """Sizes to try: the least, twice that (some layers refuse a single position), and the network's own."""
    if start == INPUT:
        inputs = subject.spatial_sizes(dims)
        least = seen.smallest.get(len(inputs[0])) if inputs else None
        if least is not None and len({*inputs}) == 1:
            ratio = tuple(max(1, -(-n // max(1, m))) for n, m in zip(inputs[0], least, strict=True))
            for factor in (1, 2):
                if all(r * factor < n for r, n in zip(ratio, inputs[0], strict=True)):
                    yield tuple(r * factor for r in ratio)
    elif start == seen.start and seen.upsamplers:
        size = seen.upsamplers[0][1]
        for n in (1, 2):
            if min(size) > n:
                yield (n,) * len(size)
    yield ()
