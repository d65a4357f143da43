"""Tensors of an ONNX file: shapes checked when the file is read, numbers decoded when they are wanted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from flatfield.core.taps import Ints
from flatfield.network import Weight
from flatfield.readers.onnx.wire import Place, stamp
from onnx import TensorProto, helper, numpy_helper

Array = npt.NDArray[Any]
MOST_PLACES = 1 << 31  # on one axis: beyond that a size is a damaged number
MOST_ELEMENTS = 1 << 48
MOST_AXES = 32
_BITS_BY_NAME = {
    "FLOAT": 32, "DOUBLE": 64, "FLOAT16": 16, "BFLOAT16": 16, "BOOL": 8, "COMPLEX64": 64, "COMPLEX128": 128,
    "INT8": 8, "INT16": 16, "INT32": 32, "INT64": 64, "UINT8": 8, "UINT16": 16, "UINT32": 32, "UINT64": 64,
    "FLOAT8E4M3FN": 8, "FLOAT8E4M3FNUZ": 8, "FLOAT8E5M2": 8, "FLOAT8E5M2FNUZ": 8, "FLOAT8E8M0": 8,
    "FLOAT6E2M3": 6, "FLOAT6E3M2": 6, "INT4": 4, "UINT4": 4, "FLOAT4E2M1": 4, "INT2": 2, "UINT2": 2,
}  # fmt: skip
_BITS = {kind: _BITS_BY_NAME[name] for name, kind in TensorProto.DataType.items() if name in _BITS_BY_NAME}
_PACKED_IN_FIELDS = (4, 2)  # bits of the types of which one entry of `int32_data` holds several


class MalformedError(ValueError):
    """A file that contradicts the ONNX specification; the reader adds the node's name."""


def checked_shape(sizes: tuple[int, ...], what: str) -> Ints:
    """Give a tensor's sizes, or refuse those that no tensor can have.

    >>> checked_shape((2, 3), "weight")
    (2, 3)
    """
    if len(sizes) > MOST_AXES:
        raise MalformedError(f"{what} has {len(sizes)} axes")
    if any(not 0 <= n <= MOST_PLACES for n in sizes) or math.prod(sizes) > MOST_ELEMENTS:
        raise MalformedError(f"{what} has the size {'x'.join(map(str, sizes))}")
    return tuple(int(n) for n in sizes)


def text(value: str | bytes, what: str) -> str:
    """Give a string of the file; protobuf hands out bytes where it is not UTF-8."""
    if isinstance(value, str):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise MalformedError(f"{what} is not text") from None


def tensor_weight(tensor: TensorProto, folder: Path, place: Place | None = None) -> Weight:
    """Give a tensor of the file as a weight whose numbers are decoded when they are asked for.

    `folder` is where the model lies: external data must lie there too. `place` is where the tensor's bytes lie
    in the model itself, if they were not read with it. Raises `MalformedError` when shape
    and data contradict each other, and when external data is missing or lies elsewhere.
    """
    name = text(tensor.name, "the name of a tensor") or "a tensor"
    shape = checked_shape(tuple(tensor.dims), f"tensor {name!r}")
    if tensor.data_type == TensorProto.STRING:
        return Weight(shape, lambda: _refuse(f"tensor {name!r} holds text"))
    if tensor.data_type not in _BITS:
        raise MalformedError(f"tensor {name!r} has the unknown type {tensor.data_type}")
    wanted = -(-math.prod(shape) * _BITS[tensor.data_type] // 8)
    if tensor.data_location == TensorProto.EXTERNAL:
        place = _external(tensor, name, wanted, folder)
        return Weight(shape, lambda: _from_file(place, tensor.data_type, shape, mapped=True))
    if place is not None:
        _check_bytes(name, shape, place.length, wanted, "bytes")
        return Weight(shape, lambda: _from_file(place, tensor.data_type, shape, mapped=False))
    _check_data(tensor, name, shape, wanted)
    return Weight(shape, lambda: widened(numpy_helper.to_array(tensor)))


def _refuse(reason: str) -> npt.NDArray[np.floating]:
    raise MalformedError(reason)


def _check_data(tensor: TensorProto, name: str, shape: Ints, wanted: int) -> None:
    if tensor.HasField("segment"):
        raise MalformedError(f"tensor {name!r} is stored in segments, which no ONNX library reads")
    if tensor.HasField("raw_data"):
        found, unit = len(tensor.raw_data), "bytes"
    else:
        bits = _BITS[tensor.data_type]
        found, unit = len(getattr(tensor, helper.tensor_dtype_to_field(tensor.data_type))), "numbers"
        complex_number = tensor.data_type in (TensorProto.COMPLEX64, TensorProto.COMPLEX128)
        packed = 8 // bits if bits in _PACKED_IN_FIELDS else 1
        wanted = -(-math.prod(shape) * (2 if complex_number else 1) // packed)
    _check_bytes(name, shape, found, wanted, unit)


def _check_bytes(name: str, shape: Ints, found: int, wanted: int, unit: str) -> None:
    if found != wanted:
        raise MalformedError(f"tensor {name!r} holds {found} {unit}, its shape {list(shape)} asks for {wanted}")


def _external(tensor: TensorProto, name: str, wanted: int, folder: Path) -> Place:
    """Check where external data lies."""
    entries = {text(entry.key, "a key"): text(entry.value, "a path") for entry in tensor.external_data}
    path = external_path(entries.get("location", ""), name, folder)
    offset, length = _whole(entries, "offset", 0), _whole(entries, "length", wanted)
    size = path.stat().st_size
    if length != wanted or offset + length > size:
        raise MalformedError(
            f"tensor {name!r} asks for {wanted} bytes at {offset} of its external data {path.name!r}, which gives "
            f"{max(0, min(length, size - offset))}"
        )
    return Place(path, offset, wanted, stamp(path))


def _from_file(place: Place, kind: int, shape: Ints, *, mapped: bool) -> Array:
    """Decode numbers that lie in a file: mapped into memory where they may be more than fit into it."""
    if not place.length:
        return np.zeros(shape, np.float32)
    if not place.intact:
        raise MalformedError(f"the file {place.path.name!r} was changed meanwhile")
    if mapped:
        numbers: Array = np.memmap(place.path, np.uint8, "r", place.offset, place.length)
    else:
        numbers = np.fromfile(place.path, np.uint8, place.length, offset=place.offset)
    if _BITS[kind] % 8:
        return widened(numpy_helper.to_array(TensorProto(dims=shape, data_type=kind, raw_data=numbers.tobytes())))
    return widened(numbers.view(helper.tensor_dtype_to_np_dtype(kind)).reshape(shape))


def external_path(location: str, name: str, folder: Path) -> Path:
    """Give the file that holds a tensor's external data, which must lie in the model's own folder."""
    what = f"tensor {name!r} keeps its data in the external file {location!r}"
    outside = f"{what}, which leaves the model's folder: put the file beside the model and save the model again"
    if not location or "\0" in location:
        raise MalformedError(f"{what}: no file can have this name")
    place = Path(location)
    if place.is_absolute() or ".." in place.parts or "\\" in location:
        raise MalformedError(outside)
    try:
        real = (folder / place).resolve()
        found = real.is_file()
    except (OSError, RuntimeError):
        found = False
    if not found:
        raise MalformedError(f"{what}, which is missing: put it beside the model")
    if not real.is_relative_to(folder.resolve()):
        raise MalformedError(outside)
    return real


def _whole(entries: Mapping[str, str], key: str, otherwise: int) -> int:
    value = entries.get(key, "")
    if not value:
        return otherwise
    if not (value.isascii() and value.isdigit() and len(value) < 19):
        raise MalformedError(f"external data has the {key} {value!r}")
    return int(value)


def widened(array: npt.NDArray[np.generic]) -> Array:
    """Give the numbers in a type that numpy computes with: bfloat16, float16 and float8 become float32.

    >>> widened(np.float16([0.5])).dtype
    dtype('float32')
    """
    if array.dtype.kind in "biuc" or array.dtype in (np.float32, np.float64):
        return array
    if array.dtype.name.startswith(("int", "uint")):  # the 2- and 4-bit integers of ml_dtypes
        return array.astype(np.int8 if array.dtype.name.startswith("int") else np.uint8)
    return array.astype(np.float32)


def array_weight(array: Array) -> Weight:
    """Give numbers at hand as a weight.

    >>> array_weight(np.ones((2, 3))).shape
    (2, 3)
    """
    return Weight(array.shape, lambda: array)
