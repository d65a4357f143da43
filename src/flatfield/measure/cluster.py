"""Folders that outgrow a machine: the same measurement through Ray Data."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator
from typing import Any

from flatfield.measure.row import Row, Settings
from flatfield.measure.rows import measure_files

BLOCK = 32  # files: what a lost node makes Ray measure again, at most, for each of its processes


def measure_block(block: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """Measure one block of files; rows go as JSON, so that every block has the same columns."""
    return {"row": [json.dumps(row.plain()) for row in measure_files([str(f) for f in block["file"]], settings)]}


def measure_cluster(files: Iterable[str], settings: Settings, address: str | None = None) -> Iterator[list[Row]]:
    """Measure files on the Ray cluster at `address` (else one on this machine); rows as they are ready.

    Ray runs a block again whose node was lost, so every file comes back, once. Raises ValueError without Ray.
    """
    try:
        import ray  # noqa: PLC0415
    except ImportError:
        raise ValueError("--engine ray needs Ray: pip install 'flatfield[ray]'") from None
    names = list(files)
    if not names:
        return
    if not ray.is_initialized():
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)  # only now: its first import sets it otherwise
    data = ray.data.from_items([{"file": name} for name in names], override_num_blocks=-(-len(names) // BLOCK))
    work: Any = measure_block
    measured = data.map_batches(work, fn_kwargs={"settings": settings}, batch_size=BLOCK)
    for batch in measured.iter_batches(batch_size=None):
        yield [row_of(json.loads(text)) for text in batch["row"]]


def row_of(plain: dict[str, Any]) -> Row:
    """Make a row of plain values again; lists become tuples."""
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in plain.items()}
    return Row(**values)
