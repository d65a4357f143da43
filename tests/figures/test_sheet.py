"""Charts look as they did when somebody last looked at them."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("PIL", reason="Pillow is not installed")

from .sheet import kept, thumbnails

_TOLERANCE = 5.0  # grey levels, on average: another font moves letters, another chart moves much more


def test_every_chart_looks_as_it_did() -> None:
    now, then = thumbnails(), kept()
    assert len(now) == len(then), "charts were added or taken away: draw the sheet again"
    apart = {
        name: round(float(np.abs(picture - before).mean()), 1)
        for (name, picture), before in zip(now.items(), then, strict=True)
    }
    assert {name: levels for name, levels in apart.items() if levels > _TOLERANCE} == {}


def test_another_chart_is_told_apart() -> None:
    light = np.stack(kept()[::2])
    gaps = [np.abs(a - b).mean() for i, a in enumerate(light) for b in light[i + 1 :]]
    assert np.median(gaps) > 3 * _TOLERANCE
