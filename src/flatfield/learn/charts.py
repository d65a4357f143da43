"""Charts of the page, by the name of their place: the definitions of `figures` with the rows a page starts from."""

from __future__ import annotations

import numpy as np

from flatfield.core import Convolution, TransposedConvolution, Window
from flatfield.figures.contributions import contribution_rows, contributions
from flatfield.figures.damping import damping, damping_rows
from flatfield.figures.divisible import divisible, divisible_rows
from flatfield.figures.drawable import Drawable
from flatfield.figures.flat_pair import flat_gains, flat_taps, pair_rows
from flatfield.figures.freedom import freedom, freedom_rows
from flatfield.figures.gain_map import gain_map, gain_rows
from flatfield.figures.image_curves import curve_rows, image_curves
from flatfield.figures.lanes import label_rows, lane_rows, lanes
from flatfield.figures.matrix import matrix, matrix_rows
from flatfield.figures.painted import painted, painted_line_rows, painted_rows
from flatfield.figures.random_weights import random_rows, random_weights
from flatfield.figures.ribbons import ribbon_rows, ribbons
from flatfield.figures.spectrum_lines import spectrum_lines, spectrum_rows
from flatfield.figures.tied_weights import UPSAMPLERS, tied_rows, tied_weights
from flatfield.figures.tile_map import tile_map
from flatfield.figures.upsamplers import upsampler_kernels
from flatfield.figures.waves import wave_rows, waves

FILTER = np.array([1.0, 2.0, 3.0])
"""The filter that the first two chapters work out by hand."""


def charts() -> dict[str, Drawable]:
    """Give every chart of the page by `chapter-name`; the page redraws most of them when a control moves.

    >>> len(charts())
    26
    """
    return {**_gather(), **_overlap(), **_resize(), **_spectra(), **_flat(), **_maps()}


def _gather() -> dict[str, Drawable]:
    band = Convolution(FILTER[None, None], Window(1)).as_matrix((7,))
    spread = TransposedConvolution(FILTER[None, None], Window(1)).as_matrix((5,))
    strided = TransposedConvolution(FILTER[None, None], Window(1, stride=2)).as_matrix((5,))
    return {
        "gather-conv": ribbons(ribbon_rows(band, range(1, 8), places=range(1, 6))),
        "gather-spread": ribbons(ribbon_rows(spread, range(1, 6), places=range(-1, 6))),
        "gather-band": matrix(matrix_rows(band)),
        "gather-transpose": matrix(matrix_rows(spread)),
        "uniform-ribbons": ribbons(ribbon_rows(strided, [1] * 5, places=((np.arange(11) - 1) / 2).tolist(), phases=2)),
        "uniform-contributions": contributions(contribution_rows(strided, [1] * 5, stride=2)),
    }


def _overlap() -> dict[str, Drawable]:
    profiles = [("flat input", np.ones(1))]
    layer = TransposedConvolution(np.full((1, 1, 3), 2 / 3), Window(1, stride=2))
    for number in (1, 2, 3):
        before = profiles[-1][1]
        after = layer.as_matrix(before.shape, torus=True) @ before
        profiles.append((f"layer {number}, period {len(after)}", after))
    return {
        "overlap-line": painted(painted_line_rows(3, 2, side=4)),
        "overlap-painted": painted(painted_rows(3, 2, side=4)),
        "overlap-rule": divisible(divisible_rows(8)),
        "overlap-random": random_weights(random_rows()),
        "stack-lanes": lanes({"cells": lane_rows(profiles), "labels": label_rows(profiles)}),
        "stack-damping": damping(damping_rows(profiles[-1][1])),
    }


def _resize() -> dict[str, Drawable]:
    steps = {"bilinear": 88}  # its sums are long
    return {f"resize-{name}": tied_weights(tied_rows(name), name, step=steps.get(name, 58)) for name in UPSAMPLERS}


def _spectra() -> dict[str, Drawable]:
    nearest = upsampler_kernels()["nearest"]
    return {
        "spectra-lines": spectrum_lines(spectrum_rows(nearest, 2, 0.6)),
        "spectra-waves": waves(wave_rows(nearest, 2, 0.6)),
        "spectra-curves": image_curves(curve_rows()),
    }


def _flat() -> dict[str, Drawable]:
    rows = pair_rows(np.ones(3), 2)
    return {
        "flat-taps": flat_taps(rows["taps"]),
        "flat-gains": flat_gains(rows["gains"]),
        "flat-freedom": freedom(freedom_rows()),
    }


def _maps() -> dict[str, Drawable]:
    gains = gain_rows(np.array([[4.0, 2.0], [2.0, 1.0]]))
    return {
        "overlap-gains": gain_map(gains),
        "gradients-gains": gain_map(gains),
        "yours-tile": tile_map(gains),
        "yours-spectrum": tile_map(gains, what="amplitude"),
    }
