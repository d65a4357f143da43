"""World: what curing asks of PyTorch, and of ONNX: the same few things."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from flatfield.core.taps import Ints
from flatfield.cure.examples import Examples, Progress
from flatfield.cure.subject import Array, Subject
from flatfield.cure_report import CurePlan, How
from flatfield.targets import Opened


@dataclass(frozen=True)
class Slot:
    """One positional input: its name where it has one, the shape of its example, and whether it is of real numbers."""

    name: str
    shape: Ints
    real: bool


@dataclass(frozen=True)
class Recovery:
    """What a person may say of a recovery: its steps, and a checkpoint that it goes on from."""

    steps: int | None = None
    checkpoint: Path | None = None


class World(Protocol):
    """A model to be cured, in its own world; the model itself is never changed."""

    @property
    def subject(self) -> Subject:
        """The original, to be measured."""

    @property
    def ways(self) -> Sequence[How]:
        """The ways to cure that there are in this world."""

    @property
    def slots(self) -> tuple[Slot, ...]:
        """Its positional inputs."""

    @property
    def keywords(self) -> Mapping[str, Any]:
        """Its keyword inputs."""

    def grounded(self, plan: CurePlan) -> CurePlan:
        """Move what can't be changed in this model from the steps of a plan to its refusals."""

    def rewriting(self, how: How) -> CurePlan:
        """What can be computed in another way (fuse, unfuse), which the graph or the calls decide, not the layers."""

    def elsewhere(self) -> Examples | None:
        """An input of another size than the example's, where the model leaves sizes open."""

    def applied(
        self, plan: CurePlan, examples: Examples, progress: Progress, recovery: Recovery
    ) -> tuple[Any, tuple[str, ...]]:
        """Do what a plan says, on a copy; gives the copy and notes. `recovery` is for that way alone."""

    def finished(self, model: Any) -> Any:
        """What is written of a cured model: constraints for training are taken off."""

    def measured(self, model: Any) -> contextlib.AbstractContextManager[Subject]:
        """A cured model, to be measured."""

    def draws(self, count: int) -> Examples:
        """The example input, and noise like it."""

    def batch(self, arrays: Mapping[int, Array]) -> tuple[Any, ...]:
        """The example input with arrays in the place of some slots."""


def world_of(opened: Opened) -> World:
    """Give the world of an opened model: ONNX for the path of a file, PyTorch for a module."""
    home = "onnx" if isinstance(opened.model, Path) else "pytorch"
    return cast(World, importlib.import_module(f"flatfield.cure.{home}.world").world(opened))
