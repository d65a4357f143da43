"""How fast `flatfield measure` is: against decoding alone, against the example generator, and its memory.

Run `python -m benchmarks.measure [FILES]`. Synthetic 512 x 512 photographs (noise shaped as 1/f) are written as JPEG of
quality 90; FILES (default 2000) is how many are measured for the memory.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from flatfield.measure import measure_lattice
from flatfield.measure.folder import TOGETHER, pieces
from flatfield.measure.rows import Settings, measure_files

KEPT = 64


def photograph(seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    f = np.hypot(np.fft.fftfreq(512)[:, None], np.fft.rfftfreq(512))
    shaped = np.fft.irfft2(np.fft.rfft2(rng.normal(size=(3, 512, 512))) / np.maximum(f, 1 / 512) ** 1.2)
    picture = 128 + 45 * shaped / shaped.std() + rng.normal(0, 1.5, shaped.shape)
    return Image.fromarray(picture.round().clip(0, 255).astype(np.uint8).transpose(1, 2, 0))


def best(work: Callable[[], object], rounds: int = 5) -> float:
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def decoding(files: list[str]) -> None:
    def load() -> None:
        for file in files:
            with Image.open(file) as image:
                image.load()

    def arrays() -> None:
        for file in files:
            with Image.open(file) as image:
                np.asarray(image)

    def measured() -> None:
        for piece in pieces(files):
            measure_files(piece, Settings())

    rates = [len(files) / best(work) for work in (load, arrays, measured)]
    print(f"one process, 512 x 512 JPEG: decode {rates[0]:.0f}/s, decode to an array {rates[1]:.0f}/s,")
    print(f"  measure {rates[2]:.0f}/s = {rates[2] / rates[0]:.0%} and {rates[2] / rates[1]:.0%} of these")


def generator() -> None:
    import torch

    from flatfield.examples.generator import LATENT, DcganGenerator

    network = DcganGenerator(("deconv",) * 4, 4).eval()
    with torch.no_grad():
        latent = torch.randn(256, LATENT)
        painted = network(latent).numpy()
        forward = best(lambda: network(latent))
    for periods in ((2, 4, 8), tuple(range(2, 17))):
        own = best(partial(measure_lattice, painted, periods))
        print(f"256 x 3 x 64 x 64, periods {periods}: {own * 1e3:.0f} ms, {own / forward:.2f} of a forward pass")
    print(f"  forward pass of the generator: {forward * 1e3:.0f} ms on {torch.get_num_threads()} threads")


def memory(files: list[str], count: int) -> None:
    endless = (files[i % len(files)] for i in range(count))
    peaks = []
    for number, piece in enumerate(pieces(endless)):
        measure_files(piece, Settings())
        if number % max(count // TOGETHER // 5, 1) == 0:
            peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
    print(f"peak memory over {count} files, MiB: {peaks}")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        files = [str(Path(folder) / f"{i:03d}.jpg") for i in range(KEPT)]
        for seed, file in enumerate(files):
            photograph(seed).save(file, quality=90)
        decoding(files)
        memory(files, int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
    generator()


if __name__ == "__main__":
    main()
