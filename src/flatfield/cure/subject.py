"""Subject: a model that can be read, run and probed, whatever world it belongs to."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from flatfield.network import Network
from flatfield.report import ProbeReport

Array = npt.NDArray[np.generic]


class Subject(Protocol):
    """What verification asks of a model, before the cure and after; none of it changes the model."""

    @property
    def network(self) -> Network:
        """The layers it runs through on its example input."""

    def outputs(self, batch: tuple[Any, ...], keywords: Mapping[str, Any]) -> list[Array]:
        """Run on one batch; every output of real numbers, in order."""

    def probe(self) -> ProbeReport | None:
        """What it makes of a flat field; None where it has no grid to show."""

    def gradient(self) -> ProbeReport | None:
        """What it makes of a flat gradient, for those that go down in size; None where that can't be told."""

    def state(self) -> Mapping[str, Array]:
        """Every number that was learnt, by name; the names of a layer's begin with the layer's."""

    def call(self, batch: tuple[Any, ...], keywords: Mapping[str, Any]) -> None:
        """Run on one batch and forget the outputs, to be timed."""

    def single_threaded(self) -> contextlib.AbstractContextManager[None]:
        """Hold it to one thread."""
