"""Clock: the time that a computation takes, as little disturbed as the machine allows."""

from __future__ import annotations

import time

import torch


def clock(device: torch.device) -> float:
    """Read a clock in seconds, of which only differences mean anything.

    On a CPU the processor's time in this process, which other programs on the machine don't add to; on an accelerator,
    whose work this process merely waits for, the time on the wall.

    >>> began = clock(torch.device("cpu"))
    >>> clock(torch.device("cpu")) >= began
    True
    """
    return time.process_time() if device.type == "cpu" else time.perf_counter()
