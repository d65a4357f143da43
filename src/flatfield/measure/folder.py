"""Folders of millions: find the files, measure them on every core, lose none."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from itertools import chain
from multiprocessing import get_context, parent_process
from threading import Thread

from flatfield.measure.media import BATCHES, PICTURES, SOUNDS
from flatfield.measure.row import Row, Settings
from flatfield.measure.rows import measure_files

TOGETHER = 128  # files in one piece of work, at most
LARGE = 32 << 20  # bytes in one piece of work, about: a folder of large files is spread over all cores, too
ALONE = 32  # files that one process has measured before others have started
AHEAD = 4  # pieces of work in hand per process: keeps all busy and memory flat
ENDINGS = PICTURES + BATCHES + SOUNDS


def find_files(paths: Iterable[str]) -> Iterator[str]:
    """Give the files under paths, folders and glob patterns, in order; ValueError for a path that isn't there.

    A file is given once, and whatever its ending; in folders and patterns only what can be measured is looked for.
    """
    every = list(dict.fromkeys(paths))
    if len(every) == 1:
        yield from files_under(every[0])
        return
    seen = set[str]()
    for file in chain.from_iterable(files_under(path) for path in every):
        if file not in seen:
            seen.add(file)
            yield file


def files_under(path: str) -> Iterator[str]:
    """Give the files of one path, folder or pattern; see `find_files`."""
    if os.path.isfile(path):
        yield path
    elif os.path.isdir(path):
        yield from walk(path)
    elif glob.has_magic(path):
        matches = sorted(glob.glob(path, recursive=True))
        if not matches:
            raise ValueError(f"{path} matches nothing: check the pattern")
        yield from (m for m in matches if m.lower().endswith(ENDINGS) and os.path.isfile(m))
    else:
        raise ValueError(f"{path} is not there: give a file, a folder or a pattern")


def walk(folder: str) -> Iterator[str]:
    """Give the measurable files under a folder, by name; hidden ones and links to folders are left out.

    A link to nowhere is given too: its row says so.
    """
    inside: list[str] = []
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda e: e.name):
            if entry.name.startswith(".") or entry.name.endswith(".parts"):
                continue
            if entry.is_dir(follow_symlinks=False):
                inside.append(entry.path)
            elif entry.name.lower().endswith(ENDINGS) and (entry.is_file() or not os.path.exists(entry.path)):
                yield entry.path
    for path in inside:
        yield from walk(path)


def pieces(files: Iterable[str], most: int = TOGETHER, large: int = LARGE) -> Iterator[list[str]]:
    """Cut files into pieces of work: `most` files at most, and no more once they have `large` bytes together.

    >>> list(pieces("abcde", 2))
    [['a', 'b'], ['c', 'd'], ['e']]
    """
    piece: list[str] = []
    size = 0
    for file in files:
        piece.append(file)
        with suppress(OSError):  # its row will say what is wrong with it
            size += os.stat(file).st_size
        if len(piece) >= most or size >= large:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece


def executor(workers: int) -> ProcessPoolExecutor:
    """Start processes that each keep to one thread: the files are spread over the cores already."""
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=follow)


def follow() -> None:
    """End this process with the one that started it: killed, that one can't tell it to, and it would wait for ever."""
    parent = parent_process()

    def wait_for_parent() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    Thread(target=wait_for_parent, daemon=True).start()


def measure_folder(files: Iterable[str], settings: Settings, workers: int | None = None) -> Iterator[list[Row]]:
    """Measure files on `workers` processes (all cores by default); give rows as they are ready, a list at a time.

    One process measures in this process. A file that kills the process that reads it gets a row that says so, and the
    others with it are measured again.
    """
    number = workers or os.cpu_count() or 1
    if number == 1:
        for piece in pieces(files):
            yield measure_files(piece, settings)
        return
    work = pieces(files)
    while True:
        broken: list[list[str]] = []
        yield from spread(work, settings, number, broken)
        if not broken:
            return
        for piece in broken:
            yield from apart(piece, settings)


def spread(work: Iterator[list[str]], settings: Settings, number: int, broken: list[list[str]]) -> Iterator[list[Row]]:
    """Hand work out to a pool of processes; when it breaks, put what was in hand into `broken` and stop."""
    with executor(number) as pool:
        running: dict[Future[list[Row]], list[str]] = {}
        for piece in work:
            try:
                running[pool.submit(measure_files, piece, settings)] = piece
            except BrokenProcessPool:
                broken.append(piece)
                break
            if len(running) >= AHEAD * number:
                yield from collect(running, broken)
                if broken:
                    break
        while running:
            yield from collect(running, broken)


def collect(running: dict[Future[list[Row]], list[str]], broken: list[list[str]]) -> Iterator[list[Row]]:
    """Wait for work in hand and give its rows; work lost with its process goes to `broken`."""
    ready, _ = wait(running, return_when=FIRST_COMPLETED)
    for future in ready:
        piece = running.pop(future)
        try:
            yield future.result()
        except BrokenProcessPool:
            broken.append(piece)


def apart(piece: list[str], settings: Settings) -> Iterator[list[Row]]:
    """Measure files in a process of their own, which they may take down: then each in its own."""
    with executor(1) as pool:
        try:
            rows = pool.submit(measure_files, piece, settings).result()
        except BrokenProcessPool:
            rows = []
    if rows:
        yield rows
    elif len(piece) == 1:
        yield [Row(piece[0], error="it killed the process that read it (out of memory?)")]
    else:
        for file in piece:
            yield from apart([file], settings)
