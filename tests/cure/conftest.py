"""One thread: figures and timings of small networks gain nothing from more."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from ..readers.conftest import fetched  # noqa: F401, TID252 - the same published models


@pytest.fixture(autouse=True, scope="package")
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
