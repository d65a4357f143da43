from collections.abc import Iterator

import pytest
import torch

from ..readers.conftest import fetched  # noqa: F401, TID252 - the same published models


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> Iterator[None]:
    """Layers this small gain nothing from a second thread, and wait for it where the machine is busy."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
