"""`flatfield fuse`: the same function for less work."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flatfield.cli.cure import Inputs, PlanOnly, ReportPath, Target, check_paths, contents_of, deliver, show_plan
from flatfield.cli.failure import one_line_errors
from flatfield.cli.progress import progress_bars
from flatfield.readers.input_spec import InputSpec
from flatfield.targets import open_model


def fuse(
    target: Target,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the fused model here: .onnx, or .pt2.")
    ] = None,
    back: Annotated[
        bool, typer.Option("--back", help="ONNX: transposed convolutions as Conv and shuffle, for runtimes without.")
    ] = False,
    inputs: Inputs = None,
    plan: PlanOnly = False,
    report: ReportPath = None,
) -> None:
    """Fuse interpolations with the convolutions behind them: the same function for less work, verified, then written.

    Exit status: 0 written (or planned), 1 there is nothing to fuse, 2 it can't be read, done or written.
    """
    with one_line_errors():
        from flatfield.cure.fusing import done, planned
        from flatfield.cure.world import world_of

        form = check_paths(target, output, report, plan=plan)
        world = world_of(open_model(target, [InputSpec.parse(text) for text in inputs or []]))
        wanted = planned(world, back=back)
        if plan or output is None or not wanted.steps:
            raise typer.Exit(show_plan(wanted, asked_for=plan))
        with progress_bars() as progress:
            fused = done(world, wanted, None, progress)
            contents = contents_of(fused, output, world, progress)
        deliver(fused.report, contents, report, form)
