"""The whole command, killed at random moments and started again: no row lost that was on disk, none twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

FILES, KILLS = 4000, 3


def pictures(folder: Path) -> list[str]:
    """Many names of one small picture, and one that can't be read."""
    folder.mkdir()
    pixels = np.random.default_rng(0).normal(128, 9, (16, 16)).round().astype(np.uint8)
    Image.fromarray(pixels).save(folder / "0000.png")
    for i in range(1, FILES - 1):
        os.link(folder / "0000.png", folder / f"{i:04d}.png")
    (folder / "broken.png").write_bytes(b"no picture")
    return sorted(str(path) for path in folder.iterdir())


def on_disk(parts: Path) -> set[str]:
    """The files whose rows are in parts that are there whole."""
    found = set[str]()
    for part in parts.glob("part-*.parquet"):
        found.update(pl.read_parquet(part)["file"])
    return found


def workers_of(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def running(process: int) -> bool:
    """Whether a process is there, and not just waiting for somebody to collect its exit status."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_command_survives_kills_at_random_moments(tmp_path: Path) -> None:
    files, output, chance = pictures(tmp_path / "pictures"), tmp_path / "rows.parquet", random.Random(7)
    parts, written, left = output.with_name("rows.parquet.parts"), set[str](), []
    command = [sys.executable, "-m", "flatfield", "measure", str(tmp_path / "pictures"), "-o", str(output)]
    command += ["--workers", "2", "--periods", "2,4"]
    for _ in range(KILLS):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            until = time.monotonic() + 120
            while len(on_disk(parts)) <= len(written):  # until this run has written something of its own
                assert process.poll() is None
                assert time.monotonic() < until
                time.sleep(0.01)
            time.sleep(chance.uniform(0, 0.1))
            left += workers_of(process.pid)
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        assert not output.exists()
        now = on_disk(parts)
        assert written < now
        written = now
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr  # one picture can't be read
    assert f"{len(written)} done before" in " ".join(done.stdout.split())
    table = pl.read_parquet(output)
    assert table["file"].to_list() == files
    assert written <= set(table["file"])
    assert table.filter(pl.col("error").is_not_null())["file"].to_list() == [str(tmp_path / "pictures/broken.png")]
    assert not parts.exists()
    assert len(left) >= 2 * KILLS
    assert not [worker for worker in left if running(worker)]  # processes don't outlive the one that was killed
