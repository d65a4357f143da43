"""Records: frozen dataclasses written as JSON and read back, with what is wrong in a strange file named."""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from typing import Any, Literal, TypeVar

_T = TypeVar("_T")


def to_json(record: Any) -> str:
    """Write a frozen record as JSON (RFC 8259; no NaN, no infinity): its schema version, then its fields in order."""
    ordered = {"schema_version": record.schema_version, **dataclasses.asdict(record)}
    return json.dumps(ordered, indent=2, allow_nan=False) + "\n"


def from_json(text: str, kind: type[_T], name: str, version: int, advice: str) -> _T:
    """Read a record of `kind` that `to_json` wrote; raises `ValueError` that names what is wrong.

    `name` is what such a file is called, `advice` says how one is written.
    """
    try:
        data = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not a flatfield {name}: not JSON ({error}); {advice}") from None
    if not isinstance(data, dict) or "schema_version" not in data:
        raise ValueError(f"not a flatfield {name}: no schema_version; {advice}")
    if data["schema_version"] != version:
        raise ValueError(
            f"{name} has schema_version {data['schema_version']!r}, this flatfield reads {version}; "
            f"make it again with this version"
        )
    try:
        return _decode_record(data, kind, name)
    except ValueError as error:
        raise ValueError(f"not a flatfield {name}: {error}") from None


def _decode(data: Any, kind: Any, where: str) -> Any:
    """Rebuild dataclasses, tuples, options and plain values as the annotation `kind` says."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        return _decode_record(data, typing.cast("type[Any]", kind), where)
    if origin is tuple:
        if not isinstance(data, list):
            raise ValueError(f"{where} should be a list")
        kinds = [arguments[0]] * len(data) if arguments[-1] is Ellipsis else list(arguments)
        if len(kinds) != len(data):
            raise ValueError(f"{where} should hold {len(kinds)} values")
        return tuple(_decode(item, k, f"{where}[{i}]") for i, (item, k) in enumerate(zip(data, kinds, strict=True)))
    if origin is types.UnionType:
        return None if data is None else _decode(data, arguments[0], where)
    if origin is Literal:
        if data not in arguments:
            raise ValueError(f"{where} is {data!r}, should be one of {', '.join(arguments)}")
        return data
    if kind is float and isinstance(data, int | float) and not isinstance(data, bool):
        return _finite(data, where)
    if not isinstance(data, kind) or isinstance(data, bool):
        raise ValueError(f"{where} should be {kind.__name__}, is {data!r:.60}")
    return data


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a number")


def _finite(number: float, where: str) -> float:
    try:
        wide = float(number)
    except OverflowError:
        wide = math.inf
    if not math.isfinite(wide):
        raise ValueError(f"{where} is too large a number")
    return wide


def _decode_record(data: Any, kind: type[_T], where: str) -> _T:
    if not isinstance(data, dict):
        raise ValueError(f"{where} should be an object")
    kinds = typing.get_type_hints(kind)
    unknown = sorted(data.keys() - kinds.keys())
    if unknown:
        raise ValueError(f"{where} has an unknown field {unknown[0]!r}")
    try:
        return kind(**{name: _decode(value, kinds[name], f"{where}.{name}") for name, value in data.items()})
    except TypeError as error:
        raise ValueError(f"{where}: {error}") from None
