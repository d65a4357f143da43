"""Read an ONNX file: every node in order, sizes worked out on the way, weights left in the file until wanted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

import onnx
from flatfield.core.taps import Ints
from flatfield.network import Layer, Network, Unread
from flatfield.readers.errors import UnreadableError
from flatfield.readers.onnx.call import Tensor
from flatfield.readers.onnx.constants import MALFORMED
from flatfield.readers.onnx.tensors import MalformedError, checked_shape, text
from flatfield.readers.onnx.walk import ADVICE, Scope, Walk
from flatfield.readers.onnx.wire import Place, slim
from flatfield.readers.trace import Value

Shapes = Mapping[str, Sequence[int]] | Sequence[Sequence[int]]
BATCH = 1
GUESSES = (64, 512)  # places on an axis whose size the file leaves open; the larger where the smaller does not fit
_MOST_PHASES = 1 << 16  # of one layer: all phases of a stride
_MOST_GAINS = 1 << 25  # entries of the phase gains of one layer
_MOST_BYTES = (1 << 31) - 1  # protobuf reads no more in one piece


def read_onnx(path: Path, *, inputs: Shapes = ()) -> Network:
    """Read the layers of an ONNX file, opset 9 and newer, without running it and without any framework.

    `inputs` gives sizes for inputs whose size the file leaves open: by name, or in order. What stays open is
    taken as 1 on the first axis and 64 on the others (512 where 64 is too small for the network). Weights are
    decoded when they are asked for; external data must lie in the model's folder. Raises `UnreadableError`
    for whatever can't be read: missing, empty, damaged, no ONNX, sizes that contradict each other.

    >>> import tempfile
    >>> from onnx import TensorProto, helper, numpy_helper
    >>> import numpy as np
    >>> node = helper.make_node("ConvTranspose", ["x", "w"], ["y"], "up", strides=[2, 2])
    >>> ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, "h", "w"]) for name in "xy"]
    >>> weight = numpy_helper.from_array(np.ones((1, 1, 3, 3), np.float32), "w")
    >>> model = helper.make_model(helper.make_graph([node], "g", ends[:1], ends[1:], [weight]))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     onnx.save(model, f"{folder}/m.onnx")
    ...     layer = read_onnx(Path(folder, "m.onnx"), inputs=[(1, 1, 4, 4)]).layers[0]
    ...     print(layer.name, layer.operator, layer.output_size, round(layer.unevenness, 4))
    up ConvTranspose (9, 9) 0.4359
    """
    path = Path(path)
    model, weights = _parsed(path)
    failure: UnreadableError | None = None
    for guess in GUESSES:
        try:
            return _read(path, model, weights, inputs, guess)
        except UnreadableError as error:
            failure = failure or error
            if not _leaves_open(model.graph):
                break
    assert failure is not None
    raise failure


def _parsed(path: Path) -> tuple[onnx.ModelProto, dict[int, Place]]:
    """Parse the file; large weights stay in it."""
    try:
        if not path.is_file():
            raise UnreadableError(f"{path} can't be read: there is no such file; check the path")
        size = path.stat().st_size
        if size == 0:
            raise UnreadableError(f"{path} can't be read: the file is empty; export or download it again")
        if size > _MOST_BYTES:
            raise UnreadableError(
                f"{path} can't be read: protobuf reads 2 GiB at most; save the model with external data"
            )
        found = slim(path)
    except UnreadableError:
        raise
    except OSError as error:
        raise UnreadableError(f"{path} can't be read: {error.strerror or error}; check the path") from None
    except ValueError:
        raise UnreadableError(f"{str(path)!r} can't be read: this is no path; check it") from None
    model = onnx.ModelProto()
    try:
        model.ParseFromString(found.message)
    except (DecodeError, ValueError, RecursionError):
        raise UnreadableError(
            f"{path} can't be read: it is no ONNX file, or a damaged or truncated one; export or download it again"
        ) from None
    if not model.graph.node and not model.graph.output:
        raise UnreadableError(f"{path} can't be read: it holds no ONNX graph; give the .onnx file of a network")
    return model, found.weights


def _read(path: Path, model: onnx.ModelProto, weights: dict[int, Place], inputs: Shapes, guess: int) -> Network:
    walk = Walk(str(path), path.parent, weights=weights)
    try:
        for function in model.functions:
            walk.functions[text(function.domain, "a domain"), text(function.name, "a function's name")] = function
        scope: Scope = {}
        sizes = _inputs(model.graph, walk, scope, inputs, guess)
        ends = walk.graph(model.graph, scope)
        network = _closed(walk, sizes, [end.value for end in ends])
    except MalformedError as error:
        raise walk.error(str(error)) from None
    except RecursionError:
        raise walk.error("its parts lie in each other without end") from None
    return network


def _closed(walk: Walk, sizes: list[Ints], ends: list[Value]) -> Network:
    """Close the notes; what reshapes in front of the outputs have built is found only now."""
    try:
        network = walk.trace.network(walk.target, sizes, ends)
    except MALFORMED as error:
        raise MalformedError(f"its outputs can't be followed ({type(error).__name__}: {error})") from error
    for layer in network.layers:
        _check(layer)
    return network


def _check(layer: Layer) -> None:
    """Refuse what no network has, before anybody allocates an array for it."""
    phases, taps = math.prod(layer.stride), math.prod(layer.kernel)
    # where a stride is longer than its kernel, the gains of its phases are more numbers than the weights
    gains = math.prod(layer.weight_shape[:2]) * phases if phases > taps else 0
    if phases > _MOST_PHASES or gains > _MOST_GAINS:
        raise MalformedError(f"layer {layer.name!r} has the stride {list(layer.stride)}")


def _real_inputs(graph: onnx.GraphProto) -> list[onnx.ValueInfoProto]:
    """Inputs that are not weights: old files list those too."""
    weights = {tensor.name for tensor in graph.initializer} | {
        sparse.values.name for sparse in graph.sparse_initializer
    }
    return [value for value in graph.input if value.name not in weights]


def _leaves_open(graph: onnx.GraphProto) -> bool:
    return any(d.dim_value <= 0 for value in _real_inputs(graph) for d in value.type.tensor_type.shape.dim)


def _inputs(graph: onnx.GraphProto, walk: Walk, scope: Scope, given: Shapes, guess: int) -> list[Ints]:
    """Put the network's inputs into the scope, with sizes from the file, from the caller, or guessed."""
    values = _real_inputs(graph)
    names = [text(value.name, "an input's name") for value in values]
    asked = _asked(walk.target, names, given)
    symbols: dict[str, int] = {}
    chosen = [
        _given_size(walk.target, value, asked.get(name), symbols) for name, value in zip(names, values, strict=True)
    ]
    sizes: list[Ints] = []
    for name, value, size in zip(names, values, chosen, strict=True):
        if size is None and not value.type.tensor_type.HasField("shape"):
            walk.trace.unread[name] = Unread(name, "input", "the file does not say how large it is: give --input")
            scope[name] = Tensor(Value(()), sized=False)
            continue
        dims = value.type.tensor_type.shape.dim
        filled = size or tuple(
            d.dim_value if d.dim_value > 0 else symbols.get(d.dim_param, guess if axis else BATCH)
            for axis, d in enumerate(dims)
        )
        sizes.append(checked_shape(filled, f"input {name!r}"))
        scope[name] = Tensor(walk.trace.input(filled))
    return sizes


def _asked(target: str, names: Sequence[str], given: Shapes) -> dict[str, Ints]:
    if isinstance(given, Mapping):
        unknown = [name for name in given if name not in names]
        if unknown:
            raise UnreadableError(f"{target} has no input {unknown[0]!r}: its inputs are {', '.join(names)}")
        return {name: tuple(size) for name, size in given.items()}
    if len(given) > len(names):
        raise UnreadableError(f"{target} has {len(names)} inputs ({', '.join(names)}), not {len(given)}: give fewer")
    return {name: tuple(size) for name, size in zip(names, given, strict=False)}


def _given_size(target: str, value: onnx.ValueInfoProto, size: Ints | None, symbols: dict[str, int]) -> Ints | None:
    """Check a size from the caller against the file, and learn what the file's symbols stand for."""
    dims = value.type.tensor_type.shape.dim
    if size is None:
        return None
    shown = "x".join(str(d.dim_value) if d.dim_value > 0 else d.dim_param or "?" for d in dims)
    fits = len(size) == len(dims) and all(d.dim_value <= 0 or d.dim_value == n for d, n in zip(dims, size, strict=True))
    if min(size, default=1) < 1 or not (fits or not value.type.tensor_type.HasField("shape")):
        wrong = "x".join(map(str, size))
        raise UnreadableError(
            f"{target}: input {value.name!r} is {shown}, so {wrong} does not fit: give another --input"
        )
    symbols.update({d.dim_param: n for d, n in zip(dims, size, strict=False) if d.dim_param})
    return size


__all__ = ["ADVICE", "BATCH", "GUESSES", "UnreadableError", "read_onnx"]
