"""Read an ONNX file without its weights: they stay in the file, and where each lies is noted.

Protobuf parses a file in one piece, so that the file's bytes and the parsed message are in memory at once. Weights
are nearly all of both. So the message is cut out of the file around them, by the few rules of protobuf's wire
format: a tag (field number and type) in a varint, then a varint, 4 or 8 bytes, or a length and that many bytes.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_GRAPH = 7  # of ModelProto
_INITIALIZER = 5  # of GraphProto
_RAW_DATA = 9  # of TensorProto
_LEAST = 1024  # bytes; smaller weights are not worth it
_BYTES = 2  # the wire type of whatever has a length
_FIXED = {1: 8, 5: 4}


@dataclass(frozen=True)
class Place:
    """Bytes of a file, which has to stay as it is until they are read: `stamp` tells."""

    path: Path
    offset: int
    length: int
    stamp: tuple[int, ...]

    @property
    def intact(self) -> bool:
        """True when nobody has written to the file since."""
        return stamp(self.path) == self.stamp


def stamp(path: Path) -> tuple[int, ...]:
    """Tell one state of a file from the next."""
    status = path.stat()
    return (status.st_ino, status.st_size, status.st_mtime_ns)


@dataclass(frozen=True)
class Slim:
    """A message without its weights, and where the weight of each initialiser (by number) lies."""

    message: bytes
    weights: dict[int, Place] = field(default_factory=dict)


@dataclass(frozen=True)
class _Field:
    number: int
    wire: int
    start: int
    value: int
    end: int


def slim(path: Path) -> Slim:
    """Cut the message of an ONNX file out around its weights.

    A file that does not follow the wire format comes whole: to say what is wrong with it is protobuf's part.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        raw: dict[int, tuple[int, int]] = {}
        try:
            message = _without(data, 0, len(data), raw, depth=0)
        except (ValueError, IndexError):
            return Slim(data[:])
        state = stamp(path)
        return Slim(message, {n: Place(path, start, end - start, state) for n, (start, end) in raw.items()})


def _without(data: mmap.mmap, start: int, end: int, weights: dict[int, tuple[int, int]], depth: int) -> bytes:
    """Give the message between two places, the weights left out; `depth` is 0 for the model, 1 for its graph."""
    wanted = _GRAPH if depth == 0 else _INITIALIZER
    parts: list[bytes] = []
    kept = start
    count = 0
    for part in _fields(data, start, end):
        if part.number != wanted or part.wire != _BYTES:
            continue
        if depth == 0:
            if count:
                raise ValueError("a model of two graphs")
            inner = _without(data, part.value, part.end, weights, 1)
        else:
            inner = _tensor(data, part, weights, count)
        count += 1
        if len(inner) < part.end - part.value:
            parts += [data[kept : part.start], _varint(wanted << 3 | _BYTES), _varint(len(inner)), inner]
            kept = part.end
    return b"".join([*parts, data[kept:end]])


def _tensor(data: mmap.mmap, part: _Field, weights: dict[int, tuple[int, int]], number: int) -> bytes:
    """Give a tensor without its bytes, if they are many and nothing is odd about them."""
    if part.end - part.value < _LEAST:
        return data[part.value : part.end]
    raw = [inner for inner in _fields(data, part.value, part.end) if inner.number == _RAW_DATA]
    if len(raw) != 1 or raw[0].wire != _BYTES or raw[0].end - raw[0].value < _LEAST:
        return data[part.value : part.end]
    weights[number] = (raw[0].value, raw[0].end)
    return data[part.value : raw[0].start] + data[raw[0].end : part.end]


def _fields(data: mmap.mmap, start: int, end: int) -> Iterator[_Field]:
    place = start
    while place < end:
        tag, value = _read_varint(data, place)
        wire = tag & 7
        if wire == 0:
            after = _read_varint(data, value)[1]
        elif wire == _BYTES:
            length, value = _read_varint(data, value)
            after = value + length
        elif wire in _FIXED:
            after = value + _FIXED[wire]
        else:
            raise ValueError(f"wire type {wire}")
        if after > end or tag >> 3 == 0:
            raise ValueError("a field that leaves its message")
        yield _Field(tag >> 3, wire, place, value, after)
        place = after


def _read_varint(data: mmap.mmap, place: int) -> tuple[int, int]:
    """Seven bits a byte, lowest first, the eighth says that more follow."""
    number = 0
    for shift in range(0, 64, 7):
        byte = data[place]
        place += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, place
    raise ValueError("a varint without end")


def _varint(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])
