"""Files become rows, one each: whatever is in them, measured or refused."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from math import lcm

import numpy as np

from flatfield.measure.bands import strips_of_bands
from flatfield.measure.heatmap import write_map
from flatfield.measure.jpeg import SMALLEST_BLOCKS, blocks_of
from flatfield.measure.lattice import check_size, lattice_of
from flatfield.measure.lines import lines_of
from flatfield.measure.media import (
    LARGE,
    Picture,
    kind_of,
    read_batch,
    read_picture,
    read_sound,
)
from flatfield.measure.pool import Pool
from flatfield.measure.row import AS_USUAL, Row, Settings, lattice_rows
from flatfield.measure.sound import measure_tones
from flatfield.measure.strips import Strips, cut

Alike = dict[tuple[tuple[int, int, int], float], list[tuple[str, Picture]]]
HELD = 6 << 20  # numbers of pictures kept until they are measured together: a piece of work of 512 x 512
STRIPS = 2  # of eight pixels along each axis of a large picture: as many pixels as 128 x 128 where it is 512 x 512


def picture_rows(files: list[str], pictures: list[Picture], settings: Settings) -> list[Row]:
    """Measure pictures of one size and step together; a row each."""
    channels, height, width = pictures[0].size
    most = None if settings.every_pixel or height * width <= LARGE else STRIPS
    both = [strips_of(pictures, axis, most) for axis in (-1, -2)]
    lattice = lattice_of(lines_of(both, settings.periods, pictures[0].step), settings.periods)
    found, grid = lattice.found(settings.level), np.array([p.jpeg for p in pictures])
    explained = np.zeros((len(files), len(lattice.periods)), dtype=bool)
    # of a file that says it is a JPEG, blocks need only be looked at when there is something for them to explain
    look = np.flatnonzero([not came or bool(periods) for came, periods in zip(grid, found, strict=True)])
    if look.size and min(height, width) >= SMALLEST_BLOCKS:
        blocks = blocks_of(*(replace(s, values=s.values[look]) for s in both))
        each = [blocks.explains(p, lattice.strength[look, k], grid[look]) for k, p in enumerate(lattice.periods)]
        explained[look] = np.stack(each, axis=1)
        grid[look] |= blocks.present()
    sizes = {"pictures": 1, "width": width, "height": height, "channels": channels}
    jpeg = [tuple(p for p in f if e[lattice.periods.index(p)]) for f, e in zip(found, explained, strict=True)]
    more = [{"jpeg_grid": bool(g), "jpeg_periods": j, **sizes} for g, j in zip(grid, jpeg, strict=True)]
    rows = lattice_rows(files, "picture", lattice, settings, more)
    return rows if settings.maps is None else [mapped(r, p, settings) for r, p in zip(rows, pictures, strict=True)]


def mapped(row: Row, picture: Picture, settings: Settings) -> Row:
    """Write the map of a picture; the row tells where it can't be written."""
    assert settings.maps is not None
    assert picture.pixels is not None  # pictures to be mapped are read whole
    try:
        write_map(settings.maps, row.file, picture.pixels, row.periods or settings.periods)
    except (OSError, ValueError) as error:
        return replace(row, error=f"its map can't be written: {reason(error)}")
    return row


def strips_of(pictures: list[Picture], axis: int, most: int | None) -> Strips:
    """Put the strips along an axis of pictures of one size together: those they were read as, else `most` or all."""
    bands = [picture.bands[0 if axis == -1 else 1] for picture in pictures if picture.bands is not None]
    if bands:
        return strips_of_bands(bands, pictures[0].size, axis, STRIPS)
    return cut(np.stack([picture.pixels for picture in pictures if picture.pixels is not None]), axis, most)


def batch_row(file: str, settings: Settings) -> Row:
    """Pool all pictures of an .npy or .npz file into one row."""
    pool, shape, count = Pool(settings.periods), (0, 0, 0), 0
    for piece in read_batch(file):
        pool.step = piece.step
        assert piece.pixels is not None  # a batch is never read as strips
        pool.add(piece.pixels)
        shape, count = piece.size, count + len(piece.pixels)
    if not count:
        raise ValueError("it holds no picture")
    sizes = {"pictures": count, "channels": shape[0], "height": shape[1], "width": shape[2]}
    return lattice_rows([file], "batch", pool.lattice(), settings, [sizes])[0]


def sound_row(file: str, settings: Settings) -> Row:
    """Measure the tones of one sound."""
    samples, rate = read_sound(file, settings.limit)
    tones = measure_tones(samples, rate, settings.periods)
    found = tones.found(settings.level)
    which = [tones.periods.index(p) for p in found]
    loud = [10 * np.log10(sum(10 ** (tones.strength[k] / 10) for k in which)) if which else None]
    return Row(
        file,
        kind="sound",
        periods=found,
        fundamental=lcm(*found) if found else 0,
        strength=None if loud[0] is None or not np.isfinite(loud[0]) else float(loud[0]),
        relative=float(max(tones.excess[k] for k in which)) if which else None,
        p_value=tones.p_value,
        tones=tuple(f for k in which for f in tones.frequencies[k]),
        width=samples.shape[1],
        channels=samples.shape[0],
        p_values=tuple(None if np.isnan(v) else float(v) for v in tones.p_values),
    )


def measure_files(files: Iterable[str], settings: Settings = AS_USUAL) -> list[Row]:
    """Measure files, one row each in their order; what can't be measured gets a row with its `error`.

    Pictures of one shape are measured together, as many as fit into some megabytes.
    """
    keep_freed_memory()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's about sizes and metadata: the limit decides, and the rows tell
        return measured(list(files), settings)


@lru_cache(maxsize=1)
def keep_freed_memory() -> None:
    """Make the C library keep up to 64 MiB of what is freed, once a process; nothing where it is not glibc.

    By default it gives freed memory back above twice the largest mapped block freed so far, some megabytes here, and
    takes it again page by page for every group of pictures: a fifth of what measuring them costs. This block counts as
    the largest (mallopt(3), M_MMAP_THRESHOLD: at most 32 MiB do), and no page of it is ever touched.
    """
    np.empty((32 << 20) - (1 << 16), dtype=np.uint8)


def measured(order: list[str], settings: Settings) -> list[Row]:
    """Measure files as `measure_files` does, warnings or not."""
    rows: dict[str, Row] = {}
    alike: Alike = {}
    held = 0
    for file in order:
        try:
            kind = kind_of(file)
            if kind == "picture":
                whole = settings.every_pixel or settings.maps is not None
                picture = read_picture(file, settings.limit, None if whole else STRIPS)
                check_size(*picture.size[1:])
                alike.setdefault((picture.size, picture.step), []).append((file, picture))
                held += picture.held
            else:
                rows[file] = batch_row(file, settings) if kind == "batch" else sound_row(file, settings)
        except Exception as error:  # decoders raise whatever they like where a file is torn
            rows[file] = Row(file, error=reason(error))
        if held > HELD:
            rows.update(rows_of(alike, settings))
            alike, held = {}, 0
    rows.update(rows_of(alike, settings))
    return [rows[file] for file in order]


def rows_of(alike: Alike, settings: Settings) -> dict[str, Row]:
    """Measure pictures, those of one size and step together; rows by file."""
    rows: dict[str, Row] = {}
    for group in alike.values():
        names = [file for file, _ in group]
        try:
            rows.update(zip(names, picture_rows(names, [p for _, p in group], settings), strict=True))
        except Exception as error:  # and one file must not take the others with it
            rows.update({file: Row(file, error=reason(error)) for file in names})
    return rows


def reason(error: BaseException) -> str:
    """Tell an exception in one line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    told = " ".join(str(error).split()) or type(error).__name__
    return told if isinstance(error, ValueError | OSError | MemoryError) else f"it can't be decoded: {told}"
