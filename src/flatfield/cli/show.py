"""`flatfield show`: render a saved report again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flatfield.cli.check import AsFormat, EveryLayer, Failing, FailOn, Output, deliver, format_of, status
from flatfield.cli.failure import one_line_errors
from flatfield.report import Report


def show(
    path: Annotated[Path, typer.Argument(metavar="REPORT.json", help="A report written by check -o REPORT.json.")],
    output: Output = None,
    as_format: AsFormat = None,
    fail_on: Failing = FailOn.NEVER,
    every_layer: EveryLayer = False,
) -> None:
    """Render a saved report again, in any format."""
    with one_line_errors():
        form = format_of(output, as_format)
        try:
            report = Report.from_json(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ValueError(
                f"{path}: {error.strerror}; write one with flatfield check TARGET -o report.json"
            ) from None
        except UnicodeDecodeError:
            raise ValueError(f"{path}: not a flatfield report: not UTF-8; write one with -o report.json") from None
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
        deliver(report, output, form, every_layer=every_layer)
    raise typer.Exit(status(report, fail_on))
