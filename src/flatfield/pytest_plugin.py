"""pytest plugin: the fixture `assert_flat`, for a project's own tests of its own networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the ini option that says how much unevenness a project allows."""
    parser.addini("flatfield_db", "unevenness in dB that the fixture assert_flat allows", default="-60")


@pytest.fixture
def assert_flat(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Give `flatfield.assert_flat`, with the allowance that the project's ini option `flatfield_db` sets."""
    allowed = float(request.config.getini("flatfield_db"))

    def check(model: Any, example_inputs: Any, **options: Any) -> Any:
        from flatfield import assert_flat as flat  # noqa: PLC0415 - a plugin must load nothing that is not used

        return flat(model, example_inputs, **{"db": allowed, **options})

    return check
