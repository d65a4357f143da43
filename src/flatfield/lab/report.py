"""The laboratory's page: verdicts, tables, sample sheets and curves of all runs, as Markdown beside its pictures."""

from __future__ import annotations

import html
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from flatfield.lab.datasets import photographs_of
from flatfield.lab.experiment import Experiment
from flatfield.lab.experiments import EXPERIMENTS
from flatfield.lab.runs import RunFolder
from flatfield.lab.samples import TAKEN, Strip, save_originals, save_strips
from flatfield.lab.scale import Scale, options_of
from flatfield.lab.sheet import FACTOR
from flatfield.lab.table import Table, summary

NAME = "report.md"
BUNDLED = "scikit-image"


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
        "came of them here. Intervals are 95%: Student's over seeds for means, Clopper and Pearson's for shares. Each "
        "claim and the rule by which it holds or fails were written before the run.",
        "",
        "| experiment | claim | here |",
        "| --- | --- | --- |",
    ]
    for experiment in found:
        verdict = experiment.judge(RunFolder(runs / experiment.name).rows())
        lines.append(f"| [{experiment.name}](#{experiment.name}) | {experiment.claim} | **{verdict.word}** |")
    return "\n".join([*lines, ""])


def _section(experiment: Experiment, place: RunFolder, target: Path) -> str:
    rows = place.rows()
    lines = [f"## {experiment.name}", "", f"*{experiment.claim}*", "", f"{experiment.judge(rows)}", ""]
    lines += [experiment.note, ""] if experiment.note else []
    for light, dark, words in _charts(experiment, place, target):
        lines += [_picture(light, dark, words), ""]
    lines += [markdown_table(summary(experiment, rows)), ""]
    shown = [column for column in experiment.measured if column.name in rows.columns]
    lines += [f"* `{c.name}`{f' ({c.unit})' if c.unit else ''}: {c.meaning}" for c in shown] + [""]
    lines += [*_samples(experiment, place, target), made_with(place), ""]
    return "\n".join(lines)


def _picture(light: Path, dark: Path, words: str) -> str:
    """A chart that follows the reader's look, as HTML, since Markdown knows one source only."""
    told = html.escape(words)
    return (
        f'<picture><source media="(prefers-color-scheme: dark)" srcset="{dark.name}">'
        f'<img src="{light.name}" alt="{told}"></picture>'
    )


def _samples(experiment: Experiment, place: RunFolder, target: Path) -> Iterator[str]:
    strips = list(save_strips(place.pictures(experiment.cells(scale_of(place))), target, experiment.name))
    for family in dict.fromkeys(strip.family for strip in strips):
        mine = [strip for strip in strips if strip.family == family]
        if experiment.originals:
            mine.insert(0, _originals(family, experiment, place, target))
        yield from (f"| {family} | {FACTOR} x, pixel by pixel |", "| --- | --- |")
        for strip in mine:
            alt = f"{len(TAKEN)} pictures, {FACTOR} times enlarged: {family}, {strip.variant}"
            yield f"| {strip.variant} | ![{alt}]({strip.file.name}) |"
        yield ""


def _originals(family: str, experiment: Experiment, place: RunFolder, target: Path) -> Strip:
    source = place.configuration()["decides"]["data"]
    photographs = photographs_of(None if source == BUNDLED else source)
    return save_originals(family, photographs, scale_of(place), max(TAKEN) + 1, target, experiment.name)


def markdown_table(table: Table) -> str:
    """Lay a table out in Markdown.

    >>> print(markdown_table(Table(("a", "b"), (("1", "2"),))))
    | a | b |
    | --- | --- |
    | 1 | 2 |
    """
    rows = [table.headings, tuple("---" for _ in table.headings), *table.lines]
    return "\n".join("| " + " | ".join(_unbroken(cell) for cell in row) + " |" for row in rows)


def _unbroken(cell: str) -> str:
    """An interval stays on the line of its estimate."""
    return cell.replace("|", "\\|").replace(" ", "\N{NO-BREAK SPACE}")


def scale_of(place: RunFolder) -> Scale:
    """The scale of a run."""
    return Scale(**place.configuration()["decides"]["scale"])


def made_with(place: RunFolder) -> str:
    """Say with what command and which versions a run was made."""
    made = place.configuration()
    decides, machine = made["decides"], made["machine"]
    data = "" if decides["data"] == BUNDLED else f" --data {decides['data']}"
    packages = ", ".join(f"{name} {version}" for name, version in decides["versions"].items())
    return (
        f"Made with `flatfield lab run {decides['experiment']} {options_of(scale_of(place))}{data}`; "
        f"photographs, where it takes any, of {decides['data']}; {packages}; "
        f"Python {machine['python']}, {machine['system']} {machine['processor']}, "
        f"{machine['cores']} cores, GPU: {machine.get('gpu', 'not recorded')}."
    )


def _charts(experiment: Experiment, place: RunFolder, target: Path) -> list[tuple[Path, Path, str]]:
    # charts want two more packages than training does; a page without them is still a page
    if find_spec("altair") is None or find_spec("vl_convert") is None:
        return []
    from flatfield.lab.chart import save_charts  # noqa: PLC0415

    charts = save_charts(experiment, place.rows(), place.curves(), target)
    return [(chart.light, chart.dark, chart.words) for chart in charts]
