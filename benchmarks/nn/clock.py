"""Interleaved timing: A B A B, one round after the other, medians; only ratios within one run are reported."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

import torch


def medians(calls: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Time every call once a round, in turn; the median of each in milliseconds. One warm round is dropped.

    On one thread the processor's time is taken, which other programs on the machine don't disturb; on more,
    the time on the wall.
    """
    now = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    times: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds + 1):
        for name, call in calls.items():
            start = now()
            call()
            if turn:
                times[name].append(now() - start)
    return {name: 1e3 * statistics.median(found) for name, found in times.items()}


def heading(title: str, heads: list[str]) -> None:
    """Open a Markdown table."""
    print(f"\n### {title}\n\n| {' | '.join(heads)} |\n|{'---|' * len(heads)}", flush=True)


def row(*cells: str) -> None:
    """Print a row of a Markdown table as soon as it is known."""
    print(f"| {' | '.join(cells)} |", flush=True)
