"""The laboratory's page: verdicts, tables, sample sheets and curves of all runs, as Markdown beside its pictures."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from flatfield.lab.experiment import Experiment
from flatfield.lab.experiments import EXPERIMENTS
from flatfield.lab.runs import RunFolder
from flatfield.lab.scale import Scale, options_of
from flatfield.lab.sheet import enlarge
from flatfield.lab.table import Table, summary

FACTOR = 4
NAME = "report.md"


def write_report(runs: Path, target: Path) -> Path:
    """Write `target`/report.md and its pictures from the runs below `runs`; returns the page.

    Experiments without a run are listed as missing. Raises `ValueError` where there is no run at all.
    """
    found = [e for e in EXPERIMENTS if (runs / e.name / "rows.parquet").exists()]
    if not found:
        raise ValueError(f"{runs} holds no run: make one with flatfield lab run NAME")
    target.mkdir(parents=True, exist_ok=True)
    parts = [_head(found, runs)]
    parts += [_section(experiment, RunFolder(runs / experiment.name), target) for experiment in found]
    missing = [e.name for e in EXPERIMENTS if e not in found]
    if missing:
        parts.append(f"Not run: {', '.join(missing)}.\n")
    page = target / NAME
    page.write_text("\n".join(parts), encoding="utf-8")
    return page


def _head(found: list[Experiment], runs: Path) -> str:
    lines = [
        "# Laboratory report",
        "",
        'The claims of Odena, Dumoulin & Olah, "Deconvolution and Checkerboard Artifacts" (Distill 2016), and what '
        "came of them here. Intervals are 95%: Student's over seeds for means, Clopper and Pearson's for shares.",
        "",
    ]
    for experiment in found:
        verdict = experiment.judge(RunFolder(runs / experiment.name).rows())
        lines.append(f"* [{experiment.name}](#{experiment.name}): {experiment.claim} **{verdict}**")
    return "\n".join([*lines, ""])


def _section(experiment: Experiment, place: RunFolder, target: Path) -> str:
    rows = place.rows()
    lines = [f"## {experiment.name}", "", f"*{experiment.claim}*", "", str(experiment.judge(rows)), ""]
    lines += [markdown_table(summary(experiment, rows)), ""]
    lines += [f"* `{c.name}`{f' ({c.unit})' if c.unit else ''}: {c.meaning}" for c in experiment.measured] + [""]
    for file in _charts(place, target, experiment.name):
        lines += [f"![{experiment.name}: curves]({file.name})", ""]
    for picture in place.pictures():
        copied = target / f"{experiment.name}-{picture.name}"
        enlarge(picture, copied, FACTOR)
        lines += [f"`{picture.stem}`", "", f"![samples of {picture.stem}]({copied.name})", ""]
    return "\n".join([*lines, made_with(place), ""])


def markdown_table(table: Table) -> str:
    """Lay a table out in Markdown.

    >>> print(markdown_table(Table(("a", "b"), (("1", "2"),))))
    | a | b |
    | --- | --- |
    | 1 | 2 |
    """
    rows = [table.headings, tuple("---" for _ in table.headings), *table.lines]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)


def made_with(place: RunFolder) -> str:
    """Say with what command and which versions a run was made."""
    made = place.configuration()
    decides, machine = made["decides"], made["machine"]
    scale = options_of(Scale(**decides["scale"]))
    packages = ", ".join(f"{name} {version}" for name, version in decides["versions"].items())
    return (
        f"Made with `flatfield lab run {decides['experiment']} {scale}` on photographs of {decides['data']}; "
        f"{packages}; Python {machine['python']}, {machine['system']} {machine['processor']}, {machine['cores']} cores."
    )


def _charts(place: RunFolder, target: Path, name: str) -> list[Path]:
    curves = place.curves()
    # charts want two more packages than training does; a page without them is still a page
    if curves.is_empty() or find_spec("altair") is None or find_spec("vl_convert") is None:
        return []
    from flatfield.lab.chart import save_charts  # noqa: PLC0415

    return save_charts(curves, target, name)
