"""InputSpec: one example input as a person writes it on the command line."""

from __future__ import annotations

import re
from dataclasses import dataclass

from flatfield.core.taps import Ints
from flatfield.readers.errors import UnreadableError

_SPEC = re.compile(r"(?:(?P<name>[^=]+)=)?(?P<shape>\d{1,9}(?:x\d{1,9})*)(?::(?P<dtype>[a-z0-9]+))?")
_DTYPES = ("float32", "float64", "float16", "bfloat16", "int64", "int32", "bool")


@dataclass(frozen=True)
class InputSpec:
    """One example input: `1x3x64x64`, `1x77:int64` or `latent=1x128:float16`."""

    shape: Ints
    dtype: str = "float32"
    name: str = ""

    @classmethod
    def parse(cls, text: str) -> InputSpec:
        """Read a specification; raises `UnreadableError` that names what is wrong.

        >>> InputSpec.parse("latent=1x128:float16")
        InputSpec(shape=(1, 128), dtype='float16', name='latent')
        """
        found = _SPEC.fullmatch(text.strip())
        if found is None:
            raise UnreadableError(f"--input {text!r} is not a shape; write 1x3x64x64, 1x77:int64 or name=1x3x64x64")
        shape = tuple(int(n) for n in found["shape"].split("x"))
        dtype = found["dtype"] or "float32"
        if dtype not in _DTYPES:
            raise UnreadableError(f"--input {text!r}: dtype {dtype!r} is unknown; take one of {', '.join(_DTYPES)}")
        if 0 in shape:
            raise UnreadableError(f"--input {text!r} has an empty axis; every size must be at least 1")
        return cls(shape, dtype, found["name"] or "")
