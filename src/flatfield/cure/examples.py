"""Examples: what a model is run on, to calibrate, to recover and to verify."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

Progress = Callable[[str, int, int], None]
"""Hears what is under way: a few words, how much of it is done, of how much."""

EVERY = 4
"""Every so many-th batch is held out from whatever learns from examples, and verified on."""


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

    def split(self, every: int = EVERY) -> tuple[Examples, Examples]:
        """Part the batches in those to learn from and those held out; fewer than two batches are both.

        >>> learnt, held_out = Examples([(n,) for n in range(5)], "numbers").split()
        >>> len(learnt.batches), [batch[0] for batch in held_out.batches]
        (4, [3])
        """
        if len(self.batches) < 2:
            return self, self
        apart = set(range(every - 1, len(self.batches), every)) or {len(self.batches) - 1}
        kept = [batch for place, batch in enumerate(self.batches) if place in apart]
        rest = [batch for place, batch in enumerate(self.batches) if place not in apart]
        return replace(self, batches=rest), replace(self, batches=kept)
