"""Palette: one look for pages and charts, light and dark; colours stay apart in grey and to the colour-blind."""

from __future__ import annotations

from dataclasses import dataclass

LIT = "#d81b60"
"""What a chart points at: seen on both papers, and no colour of a series."""


@dataclass(frozen=True)
class Palette:
    """The colours of one look: `series` goes from the strongest to the faintest, so that order survives in grey, and
    none is fainter than a line needs; `ramp` stops early, so that a number in `ink` can be read on all its colours."""

    paper: str
    ink: str
    muted: str
    line: str
    accent: str
    series: tuple[str, ...]
    ramp: tuple[str, ...]


LIGHT = Palette(
    paper="#ffffff",
    ink="#1a1f26",
    muted="#5a6470",
    line="#d5dae0",
    accent="#a8480a",
    series=("#0b4a82", "#ad4c0b", "#3880bb", "#b98d19", "#7d3c74", "#5f8d60", "#8b939b", "#c2689f"),
    ramp=("#f6f7f9", "#dbe8f3", "#b3d2ea", "#84b8de", "#5a9dd0"),
)
"""Black on white; the series after Okabe & Ito's colours, darkest first."""

DARK = Palette(
    paper="#14181d",
    ink="#e9edf1",
    muted="#a2acb7",
    line="#39424c",
    accent="#f0a35e",
    series=("#a8d4f5", "#e0812f", "#3f80bf", "#84631a", "#d59ccb", "#6fa06f", "#8a949e", "#b5638f"),
    ramp=("#191f26", "#1d2f40", "#204160", "#24547f", "#2b689d"),
)
"""White on black: the same hues, brightest first."""


def css_variables(palette: Palette) -> str:
    """Give a palette as CSS custom properties, so that page and charts are of one colour.

    >>> css_variables(LIGHT).split(";")[0]
    '--paper:#ffffff'
    """
    named = {
        "paper": palette.paper, "ink": palette.ink, "muted": palette.muted, "line": palette.line,
        "accent": palette.accent, "first": palette.series[0], "second": palette.series[1],
        "faint": palette.ramp[0], "soft": palette.ramp[1], "strong": palette.ramp[-1],
        "lit": LIT,
    }  # fmt: skip
    return ";".join(f"--{name}:{colour}" for name, colour in named.items())
