"""Drawable: what every function that draws gives back."""

from __future__ import annotations

from typing import Any, Protocol


class Drawable(Protocol):
    """Whatever Altair draws, single or layered."""

    def to_dict(self) -> dict[str, Any]:
        """Give the chart as a Vega-Lite specification."""
