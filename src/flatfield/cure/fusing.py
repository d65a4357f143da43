"""Fusing: the same function for less work, or without transposed convolutions; the model given is never changed."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from flatfield.cure.curing import Cured, applied, as_examples, nothing_to_do, opened_model
from flatfield.cure.examples import Examples, Progress, unheard
from flatfield.cure.promises import EXACT, CureError
from flatfield.cure.verify import change
from flatfield.cure.world import World, world_of
from flatfield.cure_report import CurePlan, How

_DRAWS = 2  # the function is the same for every input: two show it


def fuse(
    model: Any,
    example_inputs: Sequence[Any] | Any = (),
    *,
    back: bool = False,
    examples: Examples | Sequence[Any] | None = None,
    keywords: Mapping[str, Any] | None = None,
    progress: Progress = unheard,
) -> Cured:
    """Fuse every interpolation with the convolution behind it, on a copy: the same function, less work.

    `model` is a PyTorch module with its example inputs, or anything the command takes. Of an ONNX graph each layer is
    timed in ONNX Runtime, and what is quickest stays. With `back=True` the transposed convolutions of an ONNX graph
    become convolutions and shuffles, for runtimes without them. Raises `ValueError` where nothing can be fused, and
    (`CureError`) where the outputs moved by more than 1e-5 of their size.

    >>> fused = fuse("example:resize")
    >>> [step.layer for step in fused.report.plan.steps]
    ['stages.0.0.1', 'stages.1.0.1', 'stages.2.0.1']
    >>> fused.report.change.relative < 1e-5
    True
    """
    world = world_of(opened_model(model, example_inputs, keywords))
    plan = planned(world, back=back)
    if not plan.steps:
        raise ValueError(nothing_to_do(plan))
    return done(world, plan, examples, progress)


def planned(world: World, *, back: bool = False) -> CurePlan:
    """Say what would be fused in this very model, and why the rest is not."""
    how: How = "unfuse" if back else "fuse"
    if how not in world.ways:
        raise ValueError(f"{how} is not to be had for this kind of model: it rewrites ONNX graphs")
    return world.rewriting(how)


def done(world: World, plan: CurePlan, examples: Examples | Sequence[Any] | None, progress: Progress) -> Cured:
    """Do what a plan says and verify it: on the examples, and at another size where the model leaves sizes open."""
    given = world.draws(_DRAWS) if examples is None else as_examples(examples, world, plan.how)
    fused = applied(world, plan, given, keep_constraint=True, progress=progress)
    note = _elsewhere(world, plan, fused.model, progress)
    return replace(fused, report=replace(fused.report, notes=(*fused.report.notes, *note)))


def _elsewhere(world: World, plan: CurePlan, model: Any, progress: Progress) -> tuple[str, ...]:
    """Verify at a size that nobody asked for: nothing about it may be written into the fused model."""
    other = world.elsewhere()
    if other is None:
        return ()
    told = ", ".join("x".join(map(str, given.shape)) for given in other.batches[0])
    with world.measured(model) as after:
        try:
            world.subject.outputs(other.batches[0], other.keywords)
        except Exception as error:  # somebody's model, at a size it was perhaps not made for
            reason = " ".join(str(error).split())[:120]
            return (f"verified at the example's size only: the original does not run at {told} ({reason})",)
        with _told_as_moved(told):
            moved = change(world.subject, after, other, progress)
    if moved.relative > EXACT:
        raise CureError(f"{plan.how} moved the outputs at {told} by {moved.relative:.1e}: nothing is written")
    return (f"verified at {told} too",)


@contextlib.contextmanager
def _told_as_moved(size: str) -> Any:
    """A fused model that does not run where the original does is as wrong as one that computes something else."""
    try:
        yield
    except CureError:
        raise
    except Exception as error:  # whatever ONNX Runtime or PyTorch raise
        reason = " ".join(str(error).split())[:200]
        raise CureError(
            f"the original runs at {size}, the fused model does not ({reason}): nothing is written"
        ) from error
