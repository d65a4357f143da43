"""What tests need from outside: fetched once by pip into a folder that git ignores, by one process at a time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

CACHE = Path(__file__).parents[1] / ".cache"


def lock(name: str) -> FileLock:
    """Hold while fetching: several workers run these tests."""
    CACHE.mkdir(exist_ok=True)
    return FileLock(CACHE / f"{name}.lock")


def wheel(requirement: str) -> Path:
    """Fetch the wheel of NAME==VERSION; skips the test where it can't be had."""
    folder = CACHE / "fetched"
    name, _, version = requirement.partition("==")
    pattern = f"{name.replace('-', '_')}-{version}-*.whl"
    with lock("fetched"):
        if not list(folder.glob(pattern)):
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
            run = subprocess.run(
                [*command, "--dest", str(folder), requirement],
                capture_output=True, text=True, timeout=300, check=False,
            )  # fmt: skip
            if run.returncode:
                pytest.skip(f"{requirement} could not be fetched: {(run.stderr.strip().splitlines() or ['?'])[-1]}")
        return next(folder.glob(pattern))
