"""Attempts: where a flat field can begin, and on how small a torus, tried from the best to the last resort."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from flatfield.core.taps import Ints
from flatfield.probe.extent import refuse_less_than_a_period
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
    dims = len(seen.upsamplers[0][1]) if seen.upsamplers else max((s.rank for _, s in seen.sources()), default=0)
    plan = replace(plan, dims=dims if seen.sources(dims) else 0)
    for start, size in _attempts(seen, plan):
        chosen = replace(plan, start=start, size=size)
        try:
            passage = subject.run(chosen, seen)
            if size:
                refuse_less_than_a_period(passage.output, passage.periods)
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


def _attempts(seen: FirstPass, plan: Plan) -> Iterator[tuple[str, Ints]]:
    """Small toruses first, wherever they begin: the network's own size costs as much as all of them."""
    starts = (
        [plan.start]
        if plan.start
        else [*([seen.start] if seen.upsamplers else []), *([INPUT] if seen.sources() else [])]
    )
    for small in (True, False):
        for place in starts or [FIRST]:
            if small and place == seen.start and INPUT in starts and seen.trail.bypassed:
                continue  # what goes round the first upsampling layer is not flat, and has its own size
            yield from ((place, size) for size in _sizes(seen, place, plan.dims) if bool(size) is small)


def _sizes(seen: FirstPass, start: str, dims: int) -> Iterator[Ints]:
    """Sizes to try: the least, twice that (some layers refuse a single position), and the network's own."""
    natural, least = natural_and_least(seen, start, dims)
    for factor in (1, 2):
        if least and all(step * factor < n for n, step in zip(natural, least, strict=True)):
            yield tuple(step * factor for step in least)
    yield ()


def natural_and_least(seen: FirstPass, start: str, dims: int) -> tuple[Ints, Ints]:
    """Size of the example where the flat field begins, and the least of which strides make one position; () unknown."""
    if start == INPUT:
        sizes = {(tuple(t.shape[axis] for axis in source.axes), source.steps) for t, source in seen.sources(dims)}
        return next(iter(sizes)) if len(sizes) == 1 else ((), ())
    if start == seen.start and seen.upsamplers:
        size = seen.upsamplers[0][1]
        return size, (1,) * len(size)
    return (), ()
