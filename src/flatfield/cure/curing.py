"""Cure: plan, apply on a copy, verify; the model that was given is never changed."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flatfield.cure.examples import Examples, Progress, unheard
from flatfield.cure.planning import plan as plan_of
from flatfield.cure.promises import check_original, digests
from flatfield.cure.verify import verified
from flatfield.cure.world import Recovery, World, world_of
from flatfield.cure_report import CurePlan, CureReport, How
from flatfield.targets import Opened, open_model

_LEARNING: tuple[How, ...] = ("correct", "recover")
"""Ways that learn from examples: they are verified on others."""
_DRAWS: Mapping[How, int] = {"recover": 1024, "correct": 256}
_FEW = 32
_AS_USUAL = Recovery()
_MOST_NUMBERS = 1 << 26  # of all drawn examples together
_VERIFIED = 64  # batches at most


@dataclass(frozen=True)
class Cured:
    """A cured copy (an `nn.Module`, or an `onnx.ModelProto`) with the report of what was done and measured."""

    model: Any
    report: CureReport


def cure(
    model: Any,
    example_inputs: Sequence[Any] | Any = (),
    *,
    how: How = "correct",
    examples: Examples | Sequence[Any] | None = None,
    keywords: Mapping[str, Any] | None = None,
    keep_constraint: bool = True,
    steps: int | None = None,
    checkpoint: Path | None = None,
    progress: Progress = unheard,
) -> Cured:
    """Cure a model of its grid, on a copy: a PyTorch module with its example inputs, or anything the command takes.

    `how`: "correct" (finished models; no training), "flatten", "recover", "resize", "icnr" or "blur". `examples` are
    inputs (one tuple, or one tensor, a batch) that the cure learns from and is measured on; without them, the example
    inputs and noise like them. With `keep_constraint` the weights that "flatten" and "recover" made flat stay so in
    training. "recover" takes `steps` at most, and a `checkpoint` that it goes on from. Raises `ValueError` where a plan
    changes nothing, where a way is not to be had for this kind of model, and (`CureError`) where the result is not what
    the plan promised.

    >>> cured = cure("example:deconv-last", how="flatten")
    >>> [(step.layer, step.action) for step in cured.report.plan.steps]
    [('stages.2.0', 'nearest flat weights')]
    >>> round(cured.report.before.probe.unevenness, 2), cured.report.after.probe.unevenness < 1e-6
    (0.88, True)
    """
    world = world_of(opened_model(model, example_inputs, keywords))
    plan = planned(world, how)
    if not plan.steps:
        raise ValueError(nothing_to_do(plan))
    given = as_examples(examples, world, how)
    recovery = recovery_of(how, steps, checkpoint)
    return applied(world, plan, given, keep_constraint=keep_constraint, recovery=recovery, progress=progress)


def recovery_of(how: How, steps: int | None, checkpoint: Path | None) -> Recovery:
    """Put together what was said of a recovery; raises `ValueError` where something else is asked for."""
    recovery = Recovery(steps, checkpoint)
    if how != "recover" and recovery != Recovery():
        raise ValueError(f"steps and checkpoint are for recover, not for {how}: leave them out")
    return recovery


def opened_model(model: Any, example_inputs: Any, keywords: Mapping[str, Any] | None) -> Opened:
    """Read a module with its inputs, or whatever target a text or a path names."""
    if isinstance(model, str | Path):
        return open_model(str(model))
    reader = importlib.import_module("flatfield.readers.pytorch")  # only a person who has torch has a module
    inputs = tuple(example_inputs) if isinstance(example_inputs, list | tuple) else (example_inputs,)
    named = dict(keywords or {})
    network = reader.read_module(model, inputs, keywords=named, target=type(model).__name__)
    return Opened(network, model, inputs, named)


def planned(world: World, how: How) -> CurePlan:
    """Say what would be done to this very model; what can't be changed in it is among the refusals."""
    if how not in world.ways:
        raise ValueError(f"{how!r} is not to be had for this kind of model: take one of {', '.join(world.ways)}")
    return world.grounded(plan_of(world.subject.network, how))


def nothing_to_do(plan: CurePlan) -> str:
    """Say in one line that a plan changes nothing, and why."""
    reasons = [f"{refusal.layer}: {refusal.because}" for refusal in plan.refused]
    why = "; ".join(reasons) if reasons else "no layer needs it"
    return f"{plan.how} changes nothing in {plan.target} ({why})"


def as_examples(examples: Examples | Sequence[Any] | None, world: World, how: How) -> Examples:
    """Spell out what a person gave as examples; nothing: the example inputs, and noise."""
    if isinstance(examples, Examples):
        return examples
    if examples is None:
        numbers = max(1, sum(_size(slot.shape) for slot in world.slots if slot.real))
        return world.draws(max(2, min(_DRAWS.get(how, _FEW), _MOST_NUMBERS // numbers)))
    batches = [tuple(batch) if isinstance(batch, list | tuple) else (batch,) for batch in examples]
    if not batches:
        raise ValueError("examples is empty: give one batch or more, or leave it out")
    return Examples(batches, f"{len(batches)} batches given")


def _size(shape: Sequence[int]) -> int:
    size = 1
    for n in shape:
        size *= n
    return size


def applied(
    world: World,
    plan: CurePlan,
    examples: Examples,
    *,
    keep_constraint: bool,
    recovery: Recovery = _AS_USUAL,
    progress: Progress = unheard,
) -> Cured:
    """Do what a plan says on a copy, and verify it, before anything is written; raises `CureError` if it went wrong."""
    learnt, held_out = examples.split() if plan.how in _LEARNING else (examples, examples)
    untouched = digests(world.subject.state())
    model, notes = world.applied(plan, learnt, progress, recovery)
    model = model if keep_constraint else world.finished(model)
    held_out = replace(held_out, batches=held_out.batches[:_VERIFIED])
    with world.measured(model) as after:
        report = verified(plan, world.subject, after, held_out, notes=notes, progress=progress)
    check_original(untouched, world.subject.state())
    return Cured(model, replace(report, notes=(*report.notes, *told(report, examples, held_out))))


def told(report: CureReport, examples: Examples, held_out: Examples) -> tuple[str, ...]:
    """What a person should know before the file is used: what it was measured on, and what it costs."""
    some = f"{len(held_out.batches)} batches of {examples.source}"
    apart = ", held out from what the cure learnt from" if held_out.batches is not examples.batches else ""
    notes = [f"measured on {some}{apart if report.plan.how in _LEARNING else ''}"]
    moved = report.change
    if moved is not None and moved.psnr is not None and report.plan.how in ("flatten", "resize", "icnr", "blur"):
        notes.append(
            f"the outputs change: {moved.psnr:.1f} dB PSNR to the original's. That is what it costs a finished model: "
            f"train on, or use recover, or correct, which changes no layer"
        )
    return tuple(notes)
