"""Published models at their own start, fetched by pip into a folder that git ignores."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType

import pytest
from benchmarks.peers import NotFetchedError, importable


@contextmanager
def peer(name: str) -> Iterator[ModuleType]:
    """Import a package, fetched if it is not there; skips where it can't be had."""
    with ExitStack() as stack:
        try:
            stack.enter_context(importable())
        except NotFetchedError as error:
            pytest.skip(f"{name} could not be fetched: {error}")
        yield importlib.import_module(name)
