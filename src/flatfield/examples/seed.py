"""Random networks that are the same every time they are drawn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw everything inside from `seed`, on the CPU, in one thread; PyTorch's random state is given back as it was.

    One thread, because sums (of statistics) then have one order whatever the machine, and because layers this small
    gain nothing from a second one: on a busy machine they wait for it many times as long as they compute.

    >>> before = torch.random.get_rng_state()
    >>> with seeded(7):
    ...     first = torch.rand(2)
    >>> with seeded(7):
    ...     bool((torch.rand(2) == first).all()), torch.equal(torch.random.get_rng_state(), before)
    (True, False)
    >>> torch.equal(torch.random.get_rng_state(), before)
    True
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.device("cpu"), torch.random.fork_rng(devices=[]):
            # torch.manual_seed would seed the accelerators too, whose state is not forked here
            torch.default_generator.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(threads)
