"""CureReport -> one HTML page without a line of script: plan, before and after, what it costs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flatfield.core import FLAT
from flatfield.cure_report import CureReport, Figures
from flatfield.render.cure_terminal import cure_rows
from flatfield.render.html_probe import Picture
from flatfield.render.png import png_address
from flatfield.render.templates import pages
from flatfield.report import ProbeReport

_SHOWN = 32  # positions each way, at least: a period is repeated until the eye sees a grid


@dataclass(frozen=True)
class StepView:
    """One layer of the plan: its unevenness as text, before and after."""

    layer: str
    operator: str
    action: str
    because: str
    before: str
    after: str


def render_cure_html(report: CureReport) -> str:
    """Give a cure as a page that needs no other file and no network; names in it are text, whatever they hold.

    Raises `ValueError` where Jinja2 is not installed.

    >>> from flatfield.cure_report import CurePlan
    >>> render_cure_html(CureReport(CurePlan("<script>.onnx", "flatten"))).count("&lt;script&gt;.onnx")
    2
    """
    view = {
        "report": report,
        "plan": report.plan,
        "steps": [_step(report, place) for place in range(len(report.plan.steps))],
        "rows": list(cure_rows(report)),
        "pictures": _pictures(report.before.probe, report.after.probe),
        "headline": _headline(report),
        "good": _flat(report.after),
    }
    return pages().get_template("cure.html").render(view)


def _step(report: CureReport, place: int) -> StepView:
    step = report.plan.steps[place]
    before, after = (_unevenness(figures, step.layer) for figures in (report.before, report.after))
    return StepView(step.layer, step.operator, step.action, step.because, before, after)


def _unevenness(figures: Figures, name: str) -> str:
    found = [layer.unevenness for layer in figures.layers if layer.name == name]
    if not found:
        return ""
    if found[0] is None:
        return "unknown"
    return "flat" if found[0] <= FLAT else f"{found[0]:.3f}"


def _flat(figures: Figures) -> bool:
    return figures.probe is not None and figures.probe.unevenness is not None and figures.probe.unevenness <= FLAT


def _headline(report: CureReport) -> str:
    old, new = report.before.probe, report.after.probe
    if old is None or new is None or old.unevenness is None or new.unevenness is None:
        return ""
    after = "flat" if new.unevenness <= FLAT else f"{new.unevenness:.3f}"
    return f"on a flat field: unevenness {old.unevenness:.3f} before, {after} after"


def _pictures(before: ProbeReport | None, after: ProbeReport | None) -> tuple[Picture, ...]:
    """One period of the output before and after, each about its own mean, on one scale: that of the first."""
    if before is None or after is None or not before.tile or not after.tile:
        return ()
    old, new = (_plane(np.array(probe.tile).reshape(probe.tile_shape)) for probe in (before, after))
    if len(old) != len(new):
        return ()
    most = max(float(np.abs(old).max()), 1e-30)
    return (
        Picture(_address(old / most), "one period before, repeated, about its mean"),
        Picture(_address(new / most), "one period after, on the same scale"),
    )


def _plane(tile: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(1 or 3, height, width) about each channel's mean: colours where there are three, else the strongest channel."""
    while tile.ndim > 3:
        tile = tile[:, tile.shape[1] // 2]
    tile = tile[:, None, :] if tile.ndim == 2 else tile
    about = tile - tile.mean(axis=(1, 2), keepdims=True)
    if len(about) == 3:
        return np.asarray(about)
    strongest = int(np.argmax(np.abs(about).reshape(len(about), -1).max(axis=1)))
    return np.asarray(about[strongest : strongest + 1])


def _address(tile: npt.NDArray[np.float64]) -> str:
    height, width = tile.shape[1:]
    levels = np.rint(127.5 * (1 + np.clip(tile, -1, 1))).astype(np.uint8)
    levels = np.tile(levels, (1, max(1, _SHOWN // height), max(1, _SHOWN // width)))
    return png_address(levels[0] if len(levels) == 1 else levels.transpose(1, 2, 0))
