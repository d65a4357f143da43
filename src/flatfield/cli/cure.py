"""`flatfield cure`: remove the grid from a model."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flatfield import __version__
from flatfield.cli.failure import one_line_errors, require_extra
from flatfield.cli.output import Content, check_place, write_together
from flatfield.cli.page import show_page
from flatfield.cli.progress import progress_bars
from flatfield.cure_report import CurePlan, CureReport
from flatfield.readers.input_spec import InputSpec
from flatfield.render import CURE_FORMATS, printable, render_cure, render_plan
from flatfield.targets import open_model

if TYPE_CHECKING:
    from flatfield.cure import Cured
    from flatfield.cure.examples import Examples, Progress
    from flatfield.cure.world import World


class Way(StrEnum):
    """Ways to cure."""

    CORRECT = "correct"
    FLATTEN = "flatten"
    RECOVER = "recover"
    RESIZE = "resize"
    ICNR = "icnr"
    BLUR = "blur"


Target = Annotated[
    str, typer.Argument(help="FILE.onnx, FILE.pt2, package.module:factory or example:NAME.", show_default=False)
]
Out = Annotated[Path | None, typer.Option("--output", "-o", help="Write the cured model here: .onnx, or .pt2.")]
Inputs = Annotated[
    list[str] | None,
    typer.Option("--input", "-i", help="Shape of an example input: 1x3x64x64, 1x77:int64, name=1x3x64x64."),
]
ExamplePaths = Annotated[
    list[str] | None, typer.Option("--examples", "-e", help="Pictures, folders, patterns; or .npy, .npz of inputs.")
]
Scale = Annotated[str, typer.Option("--range", help="What black and white of --examples are for the model.")]
PlanOnly = Annotated[bool, typer.Option("--plan", help="Print the plan and stop.")]
ReportPath = Annotated[
    Path | None, typer.Option("--report", help="Write the report too: .html, .json or .txt says the format.")
]


def cure(
    target: Target,
    output: Out = None,
    how: Annotated[Way, typer.Option(help="What to do; docs/cure.md says which when.")] = Way.CORRECT,
    examples: ExamplePaths = None,
    value_range: Scale = "0,1",
    inputs: Inputs = None,
    plan: PlanOnly = False,
    report: ReportPath = None,
    keep_constraint: Annotated[
        bool, typer.Option("--keep-constraint", help="flatten, recover: write weights that stay flat in training.")
    ] = False,
    steps: Annotated[int | None, typer.Option(min=0, help="recover: steps of training at most.")] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="recover: save the state here (.safetensors), and go on from it after a kill.")
    ] = None,
) -> None:
    """Remove the grid from a model: plan, apply on a copy, verify, show, and only then write.

    Exit status: 0 written (or planned), 1 the plan changes nothing, 2 it can't be read, done or written.
    """
    with one_line_errors():
        from flatfield.cure.curing import applied, as_examples, planned, recovery_of
        from flatfield.cure.world import world_of

        form = check_paths(target, output, report, plan=plan, beside=checkpoint)
        world = world_of(open_model(target, [InputSpec.parse(text) for text in inputs or []]))
        recovery = recovery_of(how.value, steps, checkpoint)
        wanted = planned(world, how.value)
        if plan or output is None or not wanted.steps:
            raise typer.Exit(show_plan(wanted, asked_for=plan))
        with progress_bars() as progress, foreign_errors(target):
            given = as_examples(load(examples, value_range, world, progress), world, how.value)
            cured = applied(world, wanted, given, keep_constraint=keep_constraint, recovery=recovery, progress=progress)
            contents = contents_of(cured, output, world, progress)
        deliver(cured.report, contents, report, form)


def show_plan(plan: CurePlan, *, asked_for: bool) -> int:
    """Show a plan that is not carried out: that was `asked_for`, or it changes nothing. Gives the exit status."""
    from flatfield.cure.curing import nothing_to_do

    show_page(render_plan(plan))
    if not asked_for:
        typer.echo(f"flatfield: {printable(nothing_to_do(plan))}; nothing is written", err=True)
    return 0 if plan.steps else 1


def deliver(told: CureReport, contents: dict[Path, Content], report: Path | None, form: str) -> None:
    """Show a report, and write it with the model: all files or none."""
    show_page(render_cure(told))
    if report is not None:
        contents[report] = CURE_FORMATS[form](told)
    write_together(contents)
    typer.echo(f"written: {', '.join(printable(str(path)) for path in contents)}", err=True)


@contextlib.contextmanager
def foreign_errors(target: str) -> Iterator[None]:
    """Turn whatever somebody's model raises when it runs into one line."""
    try:
        yield
    except (ValueError, OSError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:300] or "no message"
        raise ValueError(
            f"{target}: {type(error).__name__}: {reason}; see that it runs on such examples, or give other --input"
        ) from error


def check_paths(
    target: str, output: Path | None, report: Path | None, *, plan: bool, beside: Path | None = None
) -> str:
    """Refuse, before any work, a path that can't be written; gives the format of the report.

    `beside` is one more file that will be written: a checkpoint.
    """
    if output is None and not plan:
        raise ValueError("give -o OUT.onnx or -o OUT.pt2 for the cured model, or --plan to see what would be done")
    for path in filter(None, (output, report, beside, output and state_path(output))):
        check_place(path)
        if same_file(path, target):
            raise ValueError(f"{path} is the original: give -o another name, it is never written over")
        if not path.absolute().parent.is_dir():
            raise ValueError(f"{path} can't be written: there is no folder {path.parent}; make it first")
    if output is not None:
        refuse_foreign_state(output)
        wanted = ".onnx" if target.lower().endswith(".onnx") else ".pt2"
        if output.suffix.lower() != wanted:
            raise ValueError(f"{output}: the cured model is a {wanted} file; give -o a name with that ending")
    form = report.suffix.removeprefix(".").lower() if report else ""
    if report and form not in CURE_FORMATS:
        raise ValueError(f"{report}: ending {report.suffix!r} is no format; take .html, .json or .txt")
    given = [path.absolute() for path in (output, output and state_path(output), report, beside) if path]
    if len(set(given)) < len(given):
        raise ValueError("the model, its state, its report and its checkpoint need a name each")
    return form


def refuse_foreign_state(output: Path) -> None:
    """Refuse to write over a state that no cured model stands beside: it may be the original's own weights."""
    state = state_path(output)
    if output.suffix.lower() == ".pt2" and state.exists() and not output.exists():
        raise ValueError(f"{state} is there and would be written over: move it away, or give -o another name")


def state_path(output: Path) -> Path:
    """Name the state that stands beside an exported program: clean.pt2, clean.safetensors."""
    return output.with_suffix(".safetensors")


def same_file(path: Path, target: str) -> bool:
    """Tell whether a path is the target's file, through links of any kind."""
    return path.exists() and os.path.exists(target) and os.path.samefile(path, target)


def load(paths: list[str] | None, value_range: str, world: World, progress: Progress) -> Examples | None:
    """Load what `--examples` names."""
    from flatfield.cure.loading import Range, load_examples

    scale = Range.parse(value_range)
    if not paths:
        return None
    require_extra("measure", "PIL", "polars", "scipy")
    return load_examples(paths, world, scale, progress)


def contents_of(cured: Cured, output: Path, world: World, progress: Progress) -> dict[Path, Content]:
    """Give the files that a cured model is written as."""
    if output.suffix.lower() == ".onnx":
        return {output: cured.model.SerializeToString()}
    from flatfield.cure.pytorch.writing import program_bytes, state_bytes

    progress("exporting", 0, 2)
    batch = world.batch({})
    keywords: Mapping[str, Any] = world.keywords
    program = program_bytes(cured.model, batch, keywords)
    progress("exporting", 1, 2)
    facts = {"format": "pt", "flatfield": __version__, "how": cured.report.plan.how}
    state = state_bytes(cured.model, facts)
    progress("exporting", 2, 2)
    return {state_path(output): state, output: program}
