"""What a ledger of many rows costs: to be opened again, to be counted, to be put together; memory in a process each.

Run `python -m benchmarks.measure_ledger [ROWS]` (1,000,000 by default, 200 a part; they take about 300 MB of disk).
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import polars as pl

from flatfield.measure.ledger import TOLD, Ledger, frame
from flatfield.measure.row import Row

PART, PERIODS = 200, 15


def write(folder: Path, count: int) -> Path:
    """Write the parts as a run does, without forcing each to the disk."""
    output = folder / "rows.parquet"
    parts, rng = Ledger(output, "same").parts, np.random.default_rng(0)
    for number, start in enumerate(range(0, count, PART), 1):
        numbers = rng.random((2, min(PART, count - start), PERIODS)).tolist()
        rows = [
            Row(
                f"pictures/{start // 1000:04d}/{start + i:08d}.png",
                p_value=min(p),
                p_values=tuple(p),
                strengths=tuple(s),
            )
            for i, (p, s) in enumerate(zip(*numbers, strict=True))
        ]
        frame(rows).write_parquet(parts / f"part-{number:09d}.parquet", metadata={TOLD: "same"})
    return output


def opened(output: Path) -> tuple[float, int]:
    return cost(lambda: Ledger(output, "same").earlier(0.001))


def finished(output: Path) -> tuple[float, int]:
    return cost(lambda: Ledger(output, "same").finish())


def cost(work: Callable[[], object]) -> tuple[float, int]:
    """Give the seconds that it takes and the most memory of this process in MiB."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        output = write(Path(folder), count)
        with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
            for name, work in (("opened and counted", opened), ("opened and put together", finished)):
                took, memory = pool.submit(work, output).result()
                print(f"{count} rows {name}: {took:.1f} s, {memory} MiB", flush=True)
        assert pl.scan_parquet(output).select(pl.len()).collect().item() == count


if __name__ == "__main__":
    main()
