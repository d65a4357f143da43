"""What a flat-field correction is worth by what it is calibrated on: six trained auto-encoders, three controls.

Run `python -m benchmarks.correct`; prints the tables of docs/cure/correct.md and writes docs/cure/correct.svg.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import altair
import numpy as np
import torch
from tests.cure.trained_networks import halves, inner, locked, painted, pieces, trained
from torch import nn

from flatfield.cure.calibration import Calibration, calibrate
from flatfield.cure.correction_fit import fit_correction
from flatfield.cure.examples import Examples, unheard
from flatfield.cure.layout import Layout
from flatfield.cure.pytorch.correct import calibration_outputs, correction_layer
from flatfield.cure.pytorch.corrected import Corrected
from flatfield.figures.export import to_svg
from flatfield.lab.draw import Draw
from flatfield.lab.patches import Patches
from flatfield.lab.photographs import bundled
from flatfield.lab.quality import psnr

NETWORKS = tuple(product(("deconv-3", "deconv-4"), range(3)))
CONTROLS = tuple(product(("nearest",), range(3)))
OUT = Path(__file__).parents[1] / "docs/cure/correct.svg"
SIZE = 48


@dataclass(frozen=True)
class Measured:
    """Of one network: what held-out outputs have in common by phase, flat pictures' grid (both grey levels), PSNR."""

    pooled: float
    flat: float
    psnr: float


@torch.no_grad()
def measured(network: nn.Module) -> Measured:
    right = halves()[1]
    out, originals = inner(painted(network, right)), inner(right)
    pooled = locked([a - b for a, b in zip(out, originals, strict=True)])
    merged = [torch.cat([p.reshape(3, -1) for p in pictures], 1) for pictures in (out, originals)]
    colours = pieces(right, 8).mean((2, 3), keepdim=True)[::4].expand(-1, -1, SIZE, SIZE)
    middle = network(colours.contiguous())[..., 20:28, 20:28]
    uneven = (middle - middle.mean((2, 3), keepdim=True)).square().mean().sqrt()
    return Measured(pooled, 127.5 * float(uneven), psnr(merged[0], merged[1]))


def on_likely(network: nn.Module) -> tuple[Calibration, Layout]:
    return _calibrated(network, pieces(halves()[0], SIZE))


def on_other_photographs(network: nn.Module) -> tuple[Calibration, Layout]:
    patches = Patches(list(bundled().training), SIZE)
    return _calibrated(network, patches.sample(Draw(torch.Generator().manual_seed(0), 96)))


def _calibrated(network: nn.Module, pictures: torch.Tensor) -> tuple[Calibration, Layout]:
    outputs, tiles, layout = calibration_outputs(network, Examples([(pictures,)], "pictures"), unheard)
    return calibrate(outputs, tiles, layout.period), layout


def flats_alone(network: nn.Module) -> tuple[Calibration, Layout]:
    calibration, layout = on_likely(network)
    assert calibration.flat is not None
    return replace(calibration, natural=(calibration.flat,), flat=None), layout


def natural_alone(network: nn.Module) -> tuple[Calibration, Layout]:
    calibration, layout = on_likely(network)
    return replace(calibration, flat=None), layout


def unlikely_flats(network: nn.Module) -> tuple[Calibration, Layout]:
    """Colours drawn evenly from the whole cube: most of them are in no photograph."""
    colours = torch.rand(96, 3, 1, 1, generator=torch.Generator().manual_seed(0)) * 2 - 1
    calibration, layout = _calibrated(network, colours.expand(-1, -1, SIZE, SIZE).contiguous())
    assert calibration.flat is not None
    return replace(calibration, natural=(calibration.flat,), flat=None), layout


WAYS: dict[str, Callable[[nn.Module], tuple[Calibration, Layout]] | None] = {
    "before": None,
    "natural and flat": on_likely,
    "natural alone": natural_alone,
    "flat alone": flats_alone,
    "other photographs": on_other_photographs,
    "flat, any colour": unlikely_flats,
}


def cured(network: nn.Module, way: str) -> nn.Module:
    calibrate_on = WAYS[way]
    if calibrate_on is None:
        return network
    calibration, layout = calibrate_on(network)
    correction = fit_correction(calibration)
    return network if correction.degree < 0 else Corrected(network, correction_layer(correction, network), layout)


def rows() -> list[dict[str, Any]]:
    found = []
    for upsampler, seed in (*NETWORKS, *CONTROLS):
        network = trained(upsampler, seed)
        plain = measured(network)
        for way in WAYS:
            m = measured(cured(network, way))
            found.append({"network": f"{upsampler} {seed}", "way": way, "pooled": m.pooled, "flat": m.flat,
                          "psnr": m.psnr, "gain": m.psnr - plain.psnr})  # fmt: skip
    return found


def chart(found: list[dict[str, Any]]) -> altair.LayerChart | altair.FacetChart:
    drawn = [row for row in found if not row["network"].startswith("nearest")]
    floor = float(np.mean([r["pooled"] for r in found if r["network"].startswith("nearest") and r["way"] == "before"]))
    base = altair.Chart(altair.InlineData(values=drawn))
    points = base.mark_circle(size=70, opacity=0.8).encode(
        x=altair.X(
            "pooled:Q",
            title="grid in held-out outputs (grey levels, pooled)",
            scale=altair.Scale(zero=True),
            axis=altair.Axis(tickCount=8),
        ),
        y=altair.Y("way:N", title=None, sort=list(WAYS), axis=altair.Axis(labelLimit=220)),
        color=altair.Color("network:N", legend=None),
    )
    ticks = base.mark_tick(thickness=3, size=22).encode(
        x="median(pooled):Q", y=altair.Y("way:N", sort=list(WAYS)), color=altair.value("#777777")
    )
    control = (
        altair.Chart(altair.InlineData(values=[{"floor": floor}])).mark_rule(strokeDash=[4, 3]).encode(x="floor:Q")
    )
    return altair.layer(points, ticks, control).properties(width=520, height=240)


def main() -> None:
    found = rows()
    ways = list(WAYS)
    for key, form in (("pooled", "{:.2f}"), ("flat", "{:.2f}"), ("gain", "{:+.3f}")):
        print(f"\n| {key} | " + " | ".join(ways) + " |\n|---" * 1 + "|---" * len(ways) + "|")
        for name in dict.fromkeys(row["network"] for row in found):
            cells = [form.format(row[key]) for row in found if row["network"] == name]
            print(f"| {name} | " + " | ".join(cells) + " |")
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(to_svg(chart(found)), encoding="utf-8")


if __name__ == "__main__":
    main()
