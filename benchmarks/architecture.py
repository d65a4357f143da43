"""Architecture: a published network built from its configuration class, with random weights and an example input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Architecture:
    """`build()` gives the module, and the tensors it is run on by name."""

    package: str
    name: str
    build: Callable[[], tuple[Any, dict[str, Any]]]
