"""An ONNX file as verification sees it: read, probed, and run in ONNX Runtime on one thread."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime  # type: ignore[import-untyped]

from flatfield.cure.subject import Array
from flatfield.network import Network
from flatfield.probe.onnx.profile import probe_onnx
from flatfield.probe.unhonoured import NoGridError
from flatfield.readers.onnx import read_onnx
from flatfield.report import ProbeReport, UnreadReport


@dataclass(frozen=True)
class FileSubject:
    """A file with the shapes (or arrays) of its example input, one for each input of the graph, in order."""

    path: Path
    inputs: tuple[Any, ...]
    target: str = ""

    @cached_property
    def network(self) -> Network:
        """The layers of the graph."""
        return read_onnx(self.path, inputs=[shape_of(given) for given in self.inputs])

    @cached_property
    def session(self) -> onnxruntime.InferenceSession:
        """The file in ONNX Runtime, as it would be deployed: with all its own optimisations."""
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        with self._told("loaded"):
            return onnxruntime.InferenceSession(str(self.path), options, ["CPUExecutionProvider"])

    def outputs(self, batch: tuple[Any, ...], keywords: Mapping[str, Any]) -> list[Array]:
        """Run on one batch; every output of real numbers, in order."""
        feeds = self.feeds(batch, keywords)
        with self._told("run"):
            found = self.session.run(None, feeds)
        return [array for array in found if isinstance(array, np.ndarray) and array.dtype.kind == "f"]

    @contextlib.contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Say in one line that ONNX Runtime refuses; its errors have no common class."""
        try:
            yield
        except Exception as error:
            reason = " ".join(str(error).split())[:300]
            raise ValueError(f"{self.target or self.path} can't be {what} by ONNX Runtime: {reason}") from error

    def feeds(self, batch: tuple[Any, ...], keywords: Mapping[str, Any]) -> dict[str, Any]:
        """Name the inputs of a batch."""
        names = [value.name for value in self.session.get_inputs()]
        return {**dict(zip(names, batch, strict=False)), **keywords}

    def probe(self) -> ProbeReport | None:
        """What it makes of a flat field; a run that fails is listed with the reason."""
        try:
            return probe_onnx(self.path, self.inputs)
        except NoGridError:
            return None
        except Exception as error:  # somebody's graph, in a run it was not made for
            reason = " ".join(str(error).split())[:300] or "no message"
            told = UnreadReport("probe", type(error).__name__, f"the run on a flat field failed: {reason}")
            return ProbeReport(unhonoured=(told,))

    def gradient(self) -> ProbeReport | None:
        """An ONNX graph is not run backwards."""
        return None

    def state(self) -> Mapping[str, Array]:
        """Weights and biases of the layers that were understood, by the layer's name."""
        found: dict[str, Array] = {}
        for layer in self.network.layers:
            for kind, weight in (("weight", layer.weight), ("bias", layer.bias)):
                if weight is not None:
                    found[f"{layer.name}.{kind}"] = weight.load()
        return found

    def call(self, batch: tuple[Any, ...], keywords: Mapping[str, Any]) -> None:
        """Run on one batch and forget the outputs."""
        self.session.run(None, self.feeds(batch, keywords))

    def single_threaded(self) -> contextlib.AbstractContextManager[None]:
        """The session is held to one thread as it is."""
        return contextlib.nullcontext()


def shape_of(given: Any) -> tuple[int, ...]:
    """Give the shape of an array, or a shape as it is.

    >>> shape_of(np.zeros((1, 3))), shape_of((1, 3))
    ((1, 3), (1, 3))
    """
    return tuple(int(n) for n in (given.shape if hasattr(given, "shape") else given))
