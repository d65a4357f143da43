"""Recover: flatten, then imitate the original's outputs under the constraint; no labels are needed."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import nn

from flatfield.cure.calibration import CalibrationError
from flatfield.cure.examples import Examples, Progress, unheard
from flatfield.cure.pytorch.correct import correct
from flatfield.cure.pytorch.descent import Descent, Look, Schedule
from flatfield.cure.pytorch.flatten import copied, flatten
from flatfield.cure.pytorch.found import find, put
from flatfield.cure.pytorch.grow import grown, kernel_for
from flatfield.cure.pytorch.imitation import lessons
from flatfield.cure_report import CurePlan
from flatfield.probe.unhonoured import NoGridError
from flatfield.readers.visit import eval_mode

__all__ = ["Look", "Recovered", "Schedule", "more_taps", "recover", "recovered"]

_CALIBRATED = 128  # batches that the correction of what is imitated is fitted on


@dataclass(frozen=True)
class Recovered:
    """A flat module that imitates the original as well as it came to, the way there, and what it was held to."""

    module: nn.Module
    curve: tuple[Look, ...]
    steps: int
    best: Look


def recover(
    plan: CurePlan, module: nn.Module, examples: Examples, progress: Progress, schedule: Schedule | None = None
) -> tuple[nn.Module, tuple[str, ...]]:
    """Flatten every layer of the plan, then train the copy to imitate the original on the examples.

    The target is the original behind a flat-field correction where one can be fitted. Raises `ValueError` for a layer
    that can't be changed, and for fewer than two batches of examples.
    """
    teacher, told = _teacher(plan, module, examples, progress)
    schedule = schedule or Schedule()
    found = recovered(plan, module, examples, teacher=teacher, schedule=schedule, progress=progress)
    first, best = found.curve[0], found.best
    ended = f"stopped after {found.steps} steps" if found.steps < schedule.steps else f"{found.steps} steps"
    note = (
        f"recovered on {examples.source}, imitating {told}: {first.psnr:.1f} dB when flattened, {best.psnr:.1f} dB on "
        f"held-out examples after {best.step} steps ({ended})"
    )
    return found.module, (note,)


def _teacher(plan: CurePlan, module: nn.Module, examples: Examples, progress: Progress) -> tuple[nn.Module, str]:
    """What is imitated: the original behind a flat-field correction, or as it is where none can be fitted."""
    some = replace(examples, batches=examples.batches[:_CALIBRATED])
    try:
        corrected, _ = correct(plan, module, some, progress)
    except (CalibrationError, NoGridError) as error:
        return module, f"the original's outputs ({error})"
    return corrected, "the original's corrected outputs"


def recovered(
    plan: CurePlan,
    module: nn.Module,
    examples: Examples,
    *,
    teacher: nn.Module | None = None,
    schedule: Schedule | None = None,
    progress: Progress = unheard,
) -> Recovered:
    """Flatten and imitate, by a schedule of one's own; `teacher` is what is imitated, the module itself without one.

    Both run in evaluation mode, so that normalisations keep their statistics; the best state on held-out examples is
    kept. The same examples, module and schedule give the same result, wherever it was interrupted. Raises `ValueError`
    for a loss that is not finite, and for a checkpoint of another run.
    """
    schedule = schedule or Schedule()
    student, _ = flatten(plan, more_taps(plan, module, examples), examples, unheard)
    run = Descent(student, schedule)
    with eval_mode(student), eval_mode(teacher or module):
        taught = lessons(teacher or module, examples, schedule.batch)
        run.resume()
        if not run.curve:
            run.look(0, taught)
        while run.step < schedule.steps and not run.tired():
            run.descend(taught)
            progress("recovering", run.step, schedule.steps)
            if run.step % schedule.look == 0 or run.step == schedule.steps:
                run.look(run.step, taught)
                run.calm()
                run.save()
        progress("recovering", schedule.steps, schedule.steps)
    run.finish()
    best = max(run.curve, key=lambda look: look.psnr)
    return Recovered(student, tuple(run.curve), run.step, best)


def more_taps(plan: CurePlan, module: nn.Module, examples: Examples) -> nn.Module:
    """Copy a module, the kernels of its planned transposed convolutions grown to a multiple of the stride."""
    more = copied(module)
    for found in find(plan, more, examples):
        kernel = kernel_for(more, found.module, found.layer)
        if kernel != found.layer.kernel:
            put(more, found.module, grown(found.module, kernel))
    return more
