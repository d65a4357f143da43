"""Tied weights: the matrices of three upsamplers side by side; equal colours are the same weight."""

from __future__ import annotations

from collections.abc import Iterable

import altair as alt
import numpy as np
import numpy.typing as npt

from flatfield.core import Interpolation, SubPixelConvolution, TransposedConvolution, Window, fold
from flatfield.core.interpolation import Mode, interpolation_kernel
from flatfield.figures.drawable import Drawable
from flatfield.figures.rows import Rows, named

_FRACTIONS = {0.25: "¼", 0.5: "½", 0.75: "¾", 1.0: ""}
UPSAMPLERS = ("deconvolution", "sub-pixel", "nearest", "bilinear")
"""The upsamplers that can be drawn, all of stride 2 in one dimension."""


def _layer(upsampler: str, weight: npt.NDArray[np.float64]) -> TransposedConvolution:
    """The upsampler with `weight` as the transposed convolution it is: 4 taps, 2 x 3, 3 and 3."""
    if upsampler == "deconvolution":
        return TransposedConvolution(weight.reshape(1, 1, 4), Window(1, stride=2, padding=1))
    if upsampler == "sub-pixel":
        return SubPixelConvolution(weight.reshape(2, 1, 3), (2,), Window(1, padding=1)).as_transposed()
    mode: Mode = "nearest" if upsampler == "nearest" else "linear"
    folded = fold(Interpolation((2,), mode), weight.reshape(1, 1, 3))
    return TransposedConvolution(folded, Window(1, stride=2, padding=1 + interpolation_kernel(2, mode)[1]))


def tied_rows(upsampler: str, size: int = 4) -> Rows:
    """Give one row a cell: which sum of weights a, b, c ... stands there, borders as for zeros all round.

    >>> [row["label"] for row in tied_rows("nearest", 2)]
    ['b+c', '', 'a+b', 'c', 'a', 'b+c', '', 'a+b']
    """
    letters = {"deconvolution": "abcd", "sub-pixel": "abcdef"}.get(upsampler, "abc")
    units = np.eye(len(letters))
    parts = np.stack([_layer(upsampler, unit).as_matrix((size,)) for unit in units])
    return [
        {"output": m, "input": n, "label": _sum(zip(parts[:, m, n], letters, strict=True))}
        for m, n in np.ndindex(*parts.shape[1:])
    ]


def _sum(terms: Iterable[tuple[float, str]]) -> str:
    return "+".join(_FRACTIONS[round(float(share), 2)] + letter for share, letter in terms if abs(share) > 1e-9)


def tied_weights(rows: Rows, title: str = "", *, step: int = 58) -> Drawable:
    """Draw the cells; a colour is a weight, or a sum of weights, and says so in letters."""
    base = alt.Chart(named("cells", rows), title=title).encode(
        x=alt.X("input:O", axis=alt.Axis(title=None, labels=False, ticks=False, domain=False)),
        y=alt.Y("output:O", axis=alt.Axis(title=None, labels=False, ticks=False, domain=False)),
    )
    # pale colours, so that the letters on them can be read in either look
    cells = base.mark_rect(strokeWidth=1.5, opacity=0.42).encode(
        color=alt.Color("label:N", legend=None).scale(domain=sorted({row["label"] for row in rows} - {""}))
    )
    filled = cells.transform_filter("datum.label != ''")
    empty = base.mark_rect(strokeWidth=1, opacity=0.12, color="#808890").transform_filter("datum.label == ''")
    return alt.layer(empty, filled, base.mark_text(fontSize=10.5).encode(text="label:N")).properties(
        width=alt.Step(step), height=alt.Step(22), description=f"The matrix of {title}: equal colours, same weight."
    )
