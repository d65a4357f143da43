"""flatfield: find, measure, explain and remove checkerboard artifacts in networks that upsample.

>>> import flatfield
>>> flatfield.check("example:resize").at_or_above("warning")
()
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flatfield.checking import check
    from flatfield.cure.fusing import fuse
    from flatfield.probe.assertion import assert_flat

__version__ = "0.1.0"
__all__ = ["__version__", "assert_flat", "check", "fuse"]

_HOMES = {
    "assert_flat": "flatfield.probe.assertion",
    "check": "flatfield.checking",
    "fuse": "flatfield.cure.fusing",
}


def __getattr__(name: str) -> Any:
    """Import a name from its home when it is first wanted: `import flatfield` alone loads nothing (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'flatfield' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
