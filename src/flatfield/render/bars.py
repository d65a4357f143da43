"""Bars: small numbers as small pictures, in characters."""

from __future__ import annotations

from collections.abc import Sequence

_EIGHTHS = "▁▂▃▄▅▆▇█"


def phase_bars(levels: Sequence[float], *, width: int = 16) -> str:
    """Draw one bar a phase, the loudest full; where there are more than `width`, every so many-th.

    >>> phase_bars((2.0, 1.0))
    '█▄'
    """
    most = max(levels, default=0.0)
    if most <= 0.0:
        return ""
    step = -(-len(levels) // width)
    shown = levels[::step]
    bars = "".join(_EIGHTHS[max(0, round(max(0.0, level) / most * len(_EIGHTHS)) - 1)] for level in shown)
    return bars + ("…" if step > 1 else "")


def big_number(number: int) -> str:
    """Write a count in three digits and a letter.

    >>> big_number(1_234_567), big_number(999)
    ('1.23M', '999')
    """
    for unit, letter in ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= unit:
            return f"{number / unit:.3g}{letter}"
    return str(number)
