"""Examples: what a model is run on, to calibrate, to recover and to verify."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Progress = Callable[[str, int, int], None]
"""Hears what is under way: a few words, how much of it is done, of how much."""


def unheard(what: str, done: int, total: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Examples:
    """Inputs of a model: one tuple of positional inputs a batch (tensors, or arrays for ONNX), and keywords for all.

    `source` says in a few words where they come from, for the report: "64 pictures of photos/", "noise".
    """

    batches: Sequence[tuple[Any, ...]]
    source: str
    keywords: Mapping[str, Any] = field(default_factory=dict)
