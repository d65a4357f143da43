"""How fast `flatfield measure` is: against decoding alone, against the example generator; its memory over many files.

Run `python -m benchmarks.measure [FILES]`. Synthetic 512 x 512 photographs (noise shaped as 1/f) are written as JPEG of
quality 90. With FILES the whole command measures a folder of so many small pictures (100000 takes minutes).
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image

from flatfield.measure import measure_lattice
from flatfield.measure.row import Settings
from flatfield.measure.rows import measure_files

KEPT, ROUNDS, PROCESSES = 128, 8, 8


def photograph(seed: int, size: int = 512) -> Image.Image:
    rng = np.random.default_rng(seed)
    f = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size))
    shaped = np.fft.irfft2(np.fft.rfft2(rng.normal(size=(3, size, size))) / np.maximum(f, 1 / size) ** 1.2)
    picture = 128 + 45 * shaped / shaped.std() + rng.normal(0, 1.5, shaped.shape)
    return Image.fromarray(picture.round().clip(0, 255).astype(np.uint8).transpose(1, 2, 0))


def seconds(work: Callable[[], object]) -> float:
    """Time the processor: the machine may be busy with other things."""
    start = time.process_time()
    work()
    return time.process_time() - start


def rounds(files: list[str]) -> list[tuple[float, float, float]]:
    """Time decoding, decoding to arrays and measuring, round by round."""

    def load() -> None:
        for file in files:
            with Image.open(file) as image:
                image.load()

    def arrays() -> None:
        for file in files:
            with Image.open(file) as image:
                np.asarray(image)

    def measured() -> None:
        measure_files(files, Settings())

    out = []
    for _ in range(ROUNDS + 1):  # what is compared lies next to each other in time: decoding before and after
        before, own, after, array = (seconds(work) for work in (load, measured, load, arrays))
        out.append(((before + after) / 2, array, own))
    return out[1:]


def decoding(files: list[str]) -> None:
    """Compare in several processes, one after the other: where their memory lies matters by some per cent."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        times = np.concatenate(list(pool.map(rounds, [files] * PROCESSES))) / len(files) * 1e3
    load_ms, array_ms, own_ms = np.median(times, axis=0)
    shares = [statistics.quantiles(times[:, k] / times[:, 2], n=4) for k in (0, 1)]
    least = times.min(axis=0)  # other work only ever adds to a time
    told = [
        f"{middle:.0%} (quartiles {low:.0%} to {high:.0%}; the fastest rounds of both {best:.0%})"
        for (low, middle, high), best in zip(shares, least[:2] / least[2], strict=True)
    ]
    print(f"512 x 512 JPEG, one process, ms: decode {load_ms:.2f}, to an array {array_ms:.2f}, measure {own_ms:.2f}")
    print(f"  rate of measuring: {told[0]} of decoding, {told[1]} of decoding to an array", flush=True)


def generator() -> None:
    import torch

    from flatfield.examples.generator import LATENT, DcganGenerator

    network = DcganGenerator(("deconv",) * 4, 4).eval()
    with torch.no_grad():
        latent = torch.randn(256, LATENT)
        painted = network(latent).numpy()
        works: dict[str, Callable[[], object]] = {"forward": partial(network, latent)}
        works |= {str(p): partial(measure_lattice, painted, p) for p in ((2, 4, 8), tuple(range(2, 17)))}
        for work in works.values():
            work()
        times = np.array([[seconds(work) for work in works.values()] for _ in range(7)])
    forward, *own = np.median(times, axis=0)
    for name, each in zip(list(works)[1:], own, strict=True):
        print(f"256 x 3 x 64 x 64, periods {name}: {each * 1e3:.0f} ms, {each / forward:.2f} of a forward pass")
    print(f"  forward pass of the generator: {forward * 1e3:.0f} ms on {torch.get_num_threads()} threads")


def resident(process: int) -> int:
    """Add up the memory of a process and its children in MiB."""
    place = Path(f"/proc/{process}")
    try:
        pages = int((place / "statm").read_text().split()[1])
        children = (place / f"task/{process}/children").read_text().split()
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGESIZE") // 2**20 + sum(resident(int(child)) for child in children)


def many(count: int, folder: Path) -> None:
    """Measure a folder of `count` pictures with the whole command; report its rate, and its memory as it goes on."""
    import polars as pl

    kinds = [folder / f"{i:02d}.{ending}" for i in range(KEPT // 2) for ending in ("png", "jpg")]
    for seed, file in enumerate(kinds):
        photograph(seed, 64).save(file)
    pictures = folder / "pictures"
    for i in range(count):
        if i % 1000 == 0:
            (pictures / f"{i // 1000:04d}").mkdir(parents=True)
        kind = kinds[i % len(kinds)]
        os.link(kind, pictures / f"{i // 1000:04d}" / f"{i:07d}{kind.suffix}")
    output, start, memory = folder / "rows.parquet", time.perf_counter(), []
    command = [sys.executable, "-m", "flatfield", "measure", str(pictures), "-o", str(output)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            memory.append(resident(process.pid))
            time.sleep(0.5)
    took, cores = time.perf_counter() - start, os.cpu_count()
    assert process.returncode == 0
    files = pl.read_parquet(output)["file"]
    assert files.len() == files.n_unique() == count
    fifths = [max(part) for part in np.array_split(memory, 5)]
    print(f"{count} pictures of 64 x 64, the whole command on {cores} cores: {took:.0f} s, {count / took:.0f}/s;")
    print(f"  memory of all its processes, the most in each fifth of the run, MiB: {[int(f) for f in fifths]}")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        if len(sys.argv) > 1:
            many(int(sys.argv[1]), Path(folder))
            return
        files = [str(Path(folder) / f"{i:03d}.jpg") for i in range(KEPT)]
        for seed, file in enumerate(files):
            photograph(seed).save(file, quality=90)
        decoding(files)
    generator()


if __name__ == "__main__":
    main()
