"""Results of a run over many files -> one HTML page without a line of script."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from flatfield.render.png import png_address
from flatfield.render.templates import pages

if TYPE_CHECKING:
    from flatfield.measure.exhibit import Exhibit
    from flatfield.measure.results import Results
    from flatfield.measure.row import Row
    from flatfield.measure.spectrum import Peak, Spectrum

_FEW_PEAKS = 8
_SHOWN = 256  # pixels of the page that the longer side of a picture fills at most
_BRIGHTEST = 12.0  # dB over the surroundings
_RAMP = np.array([[0, 0, 0], [84, 22, 60], [190, 56, 38], [244, 150, 40], [255, 244, 190]], dtype=np.float64)
"""Black to pale yellow: brighter is more, in grey as well."""


@dataclass(frozen=True)
class Drawing:
    """A chart as SVG in both looks, and what it shows in words."""

    light: str
    dark: str
    alt: str


def render_results(results: Results, charts: Mapping[str, Drawing], version: str) -> str:
    """Give results as a page that needs no other file and no network.

    `charts` may hold "strengths", "loudness" and "lines"; what is not there is not shown. Raises `ValueError` where
    Jinja2 is not installed.
    """
    return (
        pages()
        .get_template("results.html")
        .render(
            results=results,
            version=version,
            charts={name: _chart(drawing) for name, drawing in charts.items()},
            worst=[_shown(one) for one in results.worst],
            median=[_shown(one) for one in results.median],
            spectrum=None if results.spectrum is None else _plane(results.spectrum),
            peaks=[] if results.spectrum is None else _peaks(results.spectrum.peaks())[:_FEW_PEAKS],
            asked=_ranges(results.settings.periods),
            most=max((files for _, files in results.periods), default=1),
            rows=[_row(row) for row in results.rows if row.periods],
        )
    )


def _chart(drawing: Drawing) -> dict[str, str]:
    """Addresses that hold the chart: a picture runs no script, whatever is in it."""
    return {
        "light": _svg_address(drawing.light),
        "dark": _svg_address(drawing.dark),
        "alt": drawing.alt,
    }


def _svg_address(svg: str) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode("utf-8")).decode("ascii")


def _shown(one: Exhibit) -> dict[str, object]:
    about: dict[str, object] = {"row": _row(one.row), "trouble": one.trouble, "view": one.view}
    if one.view is None:
        return about
    top, left, height, width = (100.0 * share for share in one.view.frame)
    return about | {
        "periods": _named(one.periods),
        "picture": _image(one.view.picture),
        "closeup": _image(np.ascontiguousarray(one.view.closeup)),
        "heat": _image(glowing(one.view.heat)),
        "frame": f"top: {top:.2f}%; left: {left:.2f}%; width: {width:.2f}%; height: {height:.2f}%",
    }


def _named(periods: Sequence[int]) -> str:
    return f"period{'s' if len(periods) > 1 else ''} {', '.join(map(str, periods))}"


def _image(pixels: npt.NDArray[np.uint8]) -> dict[str, object]:
    """A picture and its width on the page: a whole number of times its own, for any other would draw a grid."""
    return {"address": png_address(pixels), "width": pixels.shape[1] * max(1, _SHOWN // max(pixels.shape[:2]))}


def glowing(plane: npt.NDArray[np.floating], most: float | None = None) -> npt.NDArray[np.uint8]:
    """Colour a plane (H, W): 0 black, `most` (its largest number without it) pale; all 0 stays black.

    >>> glowing(np.array([[0.0, 2.0]])).tolist()
    [[[0, 0, 0], [255, 244, 190]]]
    """
    most = float(plane.max(initial=0.0)) if most is None else most
    share = np.clip(plane / most, 0.0, 1.0) if most > 0 else np.zeros(plane.shape)
    steps = np.linspace(0.0, 1.0, len(_RAMP))
    return np.stack([np.interp(share, steps, colour) for colour in _RAMP.T], axis=-1).round().astype(np.uint8)


def _plane(spectrum: Spectrum) -> dict[str, object]:
    """The spectrum as a picture: what stands out of its surroundings zero frequency in the middle."""
    return {
        "image": _image(glowing(spectrum.height, _BRIGHTEST)),
        "pictures": spectrum.pictures,
    }


def _peaks(peaks: Sequence[Peak]) -> list[dict[str, str]]:
    """Peaks by the parts of a cycle they are nearest to, the highest of each pair of names."""
    told: dict[tuple[str, ...], dict[str, str]] = {}
    for peak in peaks:
        place, names = [peak.across, peak.down], [str(fraction) for fraction in peak.fractions]
        # a frequency of 0 or 1/2 is its own mirror image: the sign of the other one means nothing
        if peak.fractions[0] in (0, Fraction(1, 2)) or abs(peak.fractions[1]) == Fraction(1, 2):
            place[1], names[1] = abs(place[1]), names[1].removeprefix("-")
        cycles = ", ".join(f"{round(number, 3) + 0.0:.3f}" for number in place)
        row = {"across": names[0], "down": names[1], "place": cycles, "height": f"{peak.height:.1f} dB"}
        told.setdefault(tuple(names), row)
    return list(told.values())


def _ranges(numbers: Sequence[int]) -> str:
    """Spell rising numbers short: 2, 3, 4, 8 as `2 to 4, 8`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs)


def _row(row: Row) -> dict[str, object]:
    unit = "dBFS" if row.kind == "sound" else "levels"
    return {
        "file": row.file,
        "kind": row.kind,
        "size": " x ".join(str(n) for n in (row.width, row.height) if n),
        "pictures": row.pictures,
        "periods": ", ".join(map(str, row.periods)) or "none",
        "names": _named(row.periods),
        "found": bool(row.periods),
        "strength": "" if row.strength is None else f"{row.strength:.2f} {unit}",
        "relative": "" if row.relative is None else f"{row.relative:.2f}",
        "p_value": "" if row.p_value is None else f"{row.p_value:.2g}",
        "tones": ", ".join(f"{tone:.1f} Hz" for tone in row.tones[:4]),
        "jpeg": ", ".join(map(str, row.jpeg_periods)) or ("yes" if row.jpeg_grid else ""),
        "error": row.error,
    }
