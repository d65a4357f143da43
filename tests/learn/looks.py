"""Small pictures of the pages, kept in `looks/`: `python tests/learn/looks.py` takes them again; look at them.

The pages are set in fonts that Matplotlib ships, unhinted, so that lines break at the same words on every machine.
"""

from __future__ import annotations

import base64
import io
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from PIL import Image

from flatfield.cli.results_page import charts_of, drawing
from flatfield.learn import CHAPTERS, learn_page
from flatfield.measure import plant
from flatfield.measure.row import Settings
from flatfield.measure.rows import measure_files
from flatfield.measure.survey import Survey
from flatfield.render.html import render_html
from flatfield.render.html_results import render_results
from flatfield.report import Finding, LayerReport, OverlapRange, ProbeLayerReport, ProbeReport, Report

KEPT = Path(__file__).with_name("looks")
WIDTH = 1000  # of the window
SMALL = 400  # of the pictures that are kept
SCHEMES = ("light", "dark")
_COLOURS = 128  # of the pictures that are kept
_SQUARE = 20  # pixels of a small picture that are compared together

Picture = npt.NDArray[np.float64]

_FONTS = {"Sans": ("DejaVuSans", "DejaVuSans-Bold"), "Serif": ("DejaVuSerif", "DejaVuSerif-Bold"),
          "Mono": ("DejaVuSansMono", "DejaVuSansMono-Bold")}  # fmt: skip
_STACKS = {
    '"Sans"': (
        'ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif',
        "ui-sans-serif, system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif",
    ),
    '"Serif"': ('Charter, "Bitstream Charter", "Sitka Text", Cambria, "DejaVu Serif", Georgia, serif',),
    '"Mono"': ('ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace',),
}


def pages(folder: Path) -> dict[str, Path]:
    """Write the three pages into a folder, set in the pinned fonts."""
    written = {}
    for name, html in (("learn", learn_page()), ("check", render_html(_report())), ("measure", _measured(folder))):
        written[name] = folder / f"{name}.html"
        written[name].write_text(_pinned(html), encoding="utf-8")
    return written


def taken(browser: Any, files: dict[str, Path], schemes: tuple[str, ...] = SCHEMES) -> Iterator[tuple[str, Picture]]:
    """Take the small pictures: every chapter of `flatfield learn`, and both reports, light and dark."""
    for scheme in schemes:
        for name, path in files.items():
            page = opened(browser, path, scheme)
            if name == "learn":
                for place in ("header", *(f"#{chapter.name}" for chapter in CHAPTERS)):
                    yield f"learn-{place.removeprefix('#')}-{scheme}", small(page.locator(place).first.screenshot())
            else:
                yield f"{name}-{scheme}", small(page.screenshot(full_page=True))
            page.context.close()


def opened(browser: Any, path: Path, scheme: str) -> Any:
    """Open a page, and draw all of it once its fonts are there."""
    window = {"width": WIDTH, "height": 900}
    other = next(one for one in SCHEMES if one != scheme)
    context = browser.new_context(viewport=window, color_scheme=other, offline=True, bypass_csp=True)
    page = context.new_page()
    page.set_default_timeout(180_000)  # a busy machine is not the page's fault
    page.goto(path.as_uri())
    page.evaluate("names => Promise.all(names.map(n => document.fonts.load(n)))",
                  [f'{weight} 16px "{name}"' for name in _FONTS for weight in (400, 700)])  # fmt: skip
    page.evaluate("window.flatfield?.page.settle()")
    page.emulate_media(color_scheme=scheme)  # everything is drawn again
    page.evaluate("window.flatfield?.page.settle()")
    return page


def small(png: bytes) -> Picture:
    """Average a screenshot down."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    size = (SMALL, round(picture.height * SMALL / picture.width))
    return np.asarray(picture.resize(size, Image.Resampling.BOX), dtype=np.float64)


def kept(name: str) -> Picture:
    """The picture of that name as it was when somebody last looked at it."""
    return np.asarray(Image.open(KEPT / f"{name}.png").convert("RGB"), dtype=np.float64)


def apart(one: Picture, other: Picture) -> float:
    """Say how far two pictures are apart: grey levels, in the square of 20 x 20 pixels where they differ most.

    A mean over the page would lose a bar among the paper. Pages whose heights differ by a line of text are 255 apart.
    """
    if abs(len(one) - len(other)) > 8:
        return 255.0
    height = min(len(one), len(other)) // _SQUARE * _SQUARE
    away = np.abs(one[:height] - other[:height]).mean(axis=-1)
    return float(away.reshape(height // _SQUARE, _SQUARE, SMALL // _SQUARE, _SQUARE).mean(axis=(1, 3)).max())


def _pinned(html: str) -> str:
    faces = []
    for name, weights in _FONTS.items():
        for file, weight in zip(weights, (400, 700), strict=True):
            data = base64.b64encode((Path(mpl.get_data_path()) / "fonts/ttf" / f"{file}.ttf").read_bytes()).decode()
            faces.append(
                f'@font-face {{ font-family: "{name}"; font-weight: {weight}; src: url(data:font/ttf;base64,{data}); }}'
            )
    for name, stacks in _STACKS.items():
        for stack in stacks:
            html = html.replace(stack, name if '"' in stack else name.strip('"'))
    faces.append("* { text-rendering: geometricPrecision !important; }")  # letters as wide as drawn, not as hinted
    return html.replace("</head>", f"<style>{''.join(faces)}</style></head>", 1)


def _report() -> Report:
    def layer(name: str, period: int, unevenness: float) -> LayerReport:
        gains = np.outer([1.5, 0.75], [1.4, 0.6]) * unevenness + (1 - unevenness)
        return LayerReport(
            name=name, operator="ConvTranspose", kernel=(3, 3), stride=(2, 2), padding=((1, 1), (1, 1)),
            dilation=(1, 1), groups=1, weight_shape=(32, 16, 3, 3), overlap=OverlapRange(1, 4), unevenness=unevenness,
            period=(period, period), multiply_adds=294_912, input_size=(8, 8), output_size=(16, 16),
            phases=tuple(gains.ravel()),
        )  # fmt: skip

    layers = (layer("stages.0", 4, 0.6), layer("stages.1", 2, 0.3))
    tile = np.kron([[1.0, 0.2], [0.4, 0.0]], np.outer([1.0, 0.7], [1.0, 0.8]))
    profile = tuple(
        ProbeLayerReport(one.name, one.operator, 0.1, 0.5, alone, share, 0.4, one.period)
        for one, alone, share in zip(layers, (0.5, 0.2), (0.8, 0.2), strict=True)
    )
    probe = ProbeReport(0.5, 0.9, (4, 4), profile, start="stages.0", tile=tuple(tile.ravel()), tile_shape=(1, 4, 4),
                        ramp=0.2, stripes=0.3)  # fmt: skip
    findings = (
        Finding(
            "FF901", "error", "stages.0", "kernel 3 x 3, stride 2 x 2: 1 to 4 inputs write to an output", "use another"
        ),
        Finding("FF902", "warning", "stages.1", "2 uneven layers in a row", "make every one of them flat"),
    )
    return Report("model.onnx", layers, findings, inputs=((1, 64),), probe=probe, version="0")


def _measured(folder: Path) -> str:
    """The page of eight small pictures that are computed here; three have a grid."""
    settings = Settings(periods=(2, 4, 8))
    survey = Survey(settings)
    y, x = np.mgrid[:96, :128]
    files = []
    for i in range(8):
        noise = np.random.default_rng(i).normal(0, 3, (3, 96, 128))
        scene = 120 + 50 * np.sin((x + 9 * i) / 17) * np.cos(y / 23) + np.array([20, 0, -20])[:, None, None] + noise
        scene = plant(scene, 2**i, 6.0) if i in (1, 2, 3) else scene
        files.append(f"{i}.png")
        pixels = scene.round().clip(0, 255).astype(np.uint8).transpose(1, 2, 0)
        Image.fromarray(pixels).save(folder / files[-1])
    for row in measure_files([str(folder / file) for file in files], settings):
        survey.add(row)
    results = survey.results()
    charts = {name: drawing(chart) for name, chart in charts_of(results).items()}
    return render_results(results, charts, "0").replace(str(folder), "pictures")


def take_again() -> None:
    """Write all pictures anew."""
    import tempfile

    from playwright.sync_api import sync_playwright

    KEPT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", *sys.argv[1:]])
        for name, picture in taken(browser, pages(Path(folder))):
            image = Image.fromarray(picture.round().astype(np.uint8))
            image.quantize(_COLOURS, kmeans=2, dither=Image.Dither.NONE).save(KEPT / f"{name}.png", optimize=True)


if __name__ == "__main__":
    take_again()
