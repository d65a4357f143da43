"""The page of `flatfield measure -o results.html`: opened before anything is measured, written at the end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from flatfield import __version__
from flatfield.cli.failure import require_extra
from flatfield.cli.output import check_writable, write_whole
from flatfield.cli.progress import waiting
from flatfield.render.html_results import Drawing, render_results

if TYPE_CHECKING:
    from flatfield.figures.drawable import Drawable
    from flatfield.measure.results import Results
    from flatfield.measure.row import Settings
    from flatfield.measure.survey import Survey

PAGES = (".html", ".htm")


def open_survey(page: Path, settings: Settings) -> Survey:
    """Begin to collect; what would fail at the end (a missing library, a place where nobody may write) fails here."""
    require_extra("pages", "altair", "vl_convert", "jinja2")
    check_writable(page)
    from flatfield.measure.survey import Survey

    return Survey(settings)


def write_page(survey: Survey, page: Path) -> None:
    """Read once more the few pictures that are shown, draw the charts, and write the page."""
    with waiting("looking again at what the page shows"):
        results = survey.results()
        charts = {name: drawing(chart) for name, chart in charts_of(results).items()}
        write_whole(page, render_results(results, charts, __version__))


def charts_of(results: Results) -> dict[str, Drawable]:
    """Give the charts that there are numbers for."""
    from flatfield.figures.pooled_lines import line_rows, pooled_lines
    from flatfield.figures.strengths import strength_rows, strengths

    charts: dict[str, Drawable] = {}
    if results.strengths:
        charts["strengths"] = strengths(strength_rows(results.strengths))
    if results.loudness:
        charts["loudness"] = strengths(strength_rows(results.loudness), unit="dB re full scale", logarithmic=False)
    if results.spectrum is not None:
        spectrum = results.spectrum
        charts["lines"] = pooled_lines(line_rows(spectrum.height, spectrum.across, spectrum.down))
    return charts


def drawing(chart: Drawable) -> Drawing:
    """Draw a chart in both looks."""
    from flatfield.figures.export import specification, to_svg
    from flatfield.figures.style import DARK, LIGHT

    told = str(specification(chart)["description"])
    return Drawing(to_svg(chart, palette=LIGHT, width=620), to_svg(chart, palette=DARK, width=620), told)
