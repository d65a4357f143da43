"""A model file as the ONNX probe needs it: inlined, with numbers for its inputs, and run in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime  # type: ignore[import-untyped]
from onnx import helper, inliner, numpy_helper

from flatfield.core.taps import Ints

Array = npt.NDArray[Any]
SHAPE_OF = "flatfield/shape/"
MOST_BYTES = (1 << 31) - 1
_NOISE_SEED = 0


@dataclass(frozen=True)
class OnnxModel:
    """A model with its initial numbers by name and an example input for every real input of the graph."""

    proto: onnx.ModelProto
    folder: Path
    feeds: Mapping[str, Array]

    @classmethod
    def load(cls, path: Path, inputs: Sequence[Any]) -> OnnxModel:
        """Load a file; `inputs` are arrays, or shapes to be filled with noise of a fixed seed, in order.

        A lone array or shape is the only input. Raises `ValueError` for a number of inputs that does not fit.
        """
        if hasattr(inputs, "shape") or (inputs and all(isinstance(n, int) for n in inputs)):
            inputs = [inputs]
        proto = onnx.load(path)
        if proto.functions:
            proto = inliner.inline_local_functions(proto)
        held = {tensor.name for tensor in proto.graph.initializer}
        real = [value for value in proto.graph.input if value.name not in held]
        if len(inputs) != len(real):
            names = ", ".join(value.name for value in real)
            raise ValueError(f"{path} has {len(real)} inputs ({names}), not {len(inputs)}: give one for each")
        rng = np.random.default_rng(_NOISE_SEED)
        feeds = {value.name: _numbers(value, given, rng) for value, given in zip(real, inputs, strict=True)}
        return cls(proto, path.parent, feeds)

    @cached_property
    def initial(self) -> dict[str, Array]:
        """Weights and constants by name, as numpy reads them."""
        found = {t.name: t for t in self.proto.graph.initializer}
        for node in self.proto.graph.node:
            if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
                found[node.output[0]] = node.attribute[0].t
        return {name: np.asarray(numpy_helper.to_array(t, str(self.folder))) for name, t in found.items()}

    @cached_property
    def opset(self) -> int:
        """Version of the standard operators."""
        return max((o.version for o in self.proto.opset_import if o.domain in ("", "ai.onnx")), default=1)

    def run(self, nodes: Sequence[onnx.NodeProto], initial: Mapping[str, Array], outputs: Sequence[str],
            further: Mapping[str, Array] | None = None) -> Session:  # fmt: skip
        """Build a session of other nodes over the same inputs; `further` inputs bring numbers along, too."""
        further = further or {}
        graph = onnx.GraphProto()
        graph.CopyFrom(self.proto.graph)
        del graph.node[:], graph.output[:], graph.value_info[:]
        graph.node.extend(nodes)
        graph.output.extend(onnx.ValueInfoProto(name=name) for name in dict.fromkeys(outputs))
        graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in initial.items())
        for name, value in further.items():
            kind = helper.np_dtype_to_tensor_dtype(value.dtype)
            graph.input.append(helper.make_tensor_value_info(name, kind, [None] * value.ndim))
        model = onnx.ModelProto()
        model.CopyFrom(self.proto)
        model.graph.CopyFrom(graph)
        return Session(model, self.folder, {**self.feeds, **further}, list(dict.fromkeys(outputs)))

    def shapes_and(
        self,
        wanted: Sequence[str],
        nodes: Sequence[onnx.NodeProto] = (),
        further: Mapping[str, Array] | None = None,
    ) -> tuple[dict[str, Ints], dict[str, Array]]:
        """Run the model as it is, or other nodes in place of its own: all shapes, and the numbers of those wanted."""
        nodes = list(nodes or self.proto.graph.node)
        names = [name for node in nodes for name in node.output if name]
        nodes += [helper.make_node("Shape", [name], [SHAPE_OF + name]) for name in names]
        session = self.run(nodes, {}, [*(SHAPE_OF + name for name in names), *wanted], further)
        found = session.outputs()
        shapes = {name: tuple(int(n) for n in found[SHAPE_OF + name]) for name in names}
        shapes |= {name: value.shape for name, value in self.initial.items()}
        shapes |= {name: value.shape for name, value in session.feeds.items()}
        return shapes, {name: found[name] for name in wanted}


@dataclass
class Session:
    """A model in ONNX Runtime on the CPU, single-threaded: exact shapes and small graphs gain nothing from more."""

    model: onnx.ModelProto
    folder: Path
    feeds: dict[str, Array]
    names: list[str]

    @cached_property
    def _session(self) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        # a layer that is fused away could not be looked at, and fusing reorders sums
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        return onnxruntime.InferenceSession(self.model.SerializeToString(), options, ["CPUExecutionProvider"])

    def outputs(self, feeds: Mapping[str, Array] | None = None) -> dict[str, Array]:
        """Run, on other numbers for some inputs; gives the outputs by name."""
        return dict(zip(self.names, self._session.run(self.names, {**self.feeds, **(feeds or {})}), strict=True))


def _numbers(value: onnx.ValueInfoProto, given: Any, rng: np.random.Generator) -> Array:
    kind = helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
    if isinstance(given, tuple | list) and all(isinstance(n, int) for n in given):
        noise = rng.standard_normal(tuple(given))
        return np.asarray(noise.astype(kind) if np.issubdtype(kind, np.floating) else np.zeros(tuple(given), kind))
    return np.asarray(given).astype(kind)
