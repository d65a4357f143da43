"""`flatfield fuse`: the same function for less work."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flatfield.cli.cure import Inputs, PlanOnly, ReportPath, Target, check_paths, contents_of
from flatfield.cli.failure import one_line_errors
from flatfield.cli.output import write_together
from flatfield.cli.page import show_page
from flatfield.cli.progress import progress_bars
from flatfield.readers.input_spec import InputSpec
from flatfield.render import CURE_FORMATS, printable, render_cure, render_plan
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
        from flatfield.cure.curing import nothing_to_do
        from flatfield.cure.fusing import done, planned
        from flatfield.cure.world import world_of

        form = check_paths(target, output, report, plan=plan)
        world = world_of(open_model(target, [InputSpec.parse(text) for text in inputs or []]))
        wanted = planned(world, back=back)
        if plan or not wanted.steps:
            show_page(render_plan(wanted))
            if plan or output is None:
                raise typer.Exit(0 if wanted.steps else 1)
            typer.echo(f"flatfield: {printable(nothing_to_do(wanted))}; nothing is written", err=True)
            raise typer.Exit(1)
        with progress_bars() as progress:
            fused = done(world, wanted, None, progress)
            assert output is not None
            contents = contents_of(fused, output, world, progress)
        show_page(render_cure(fused.report))
        if report is not None:
            contents[report] = CURE_FORMATS[form](fused.report)
        write_together(contents)
    typer.echo(f"written: {', '.join(printable(str(path)) for path in contents)}", err=True)
