"""Output: a file appears whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Write to a temporary file beside `path`, then rename: nobody ever sees half a file.

    Raises `OSError` in one line, and leaves nothing behind, where `path` is a folder or a device, its folder is
    missing or read-only, or the disk is full.
    """
    place = _place(path)
    try:
        _replace(place, text)
    except OSError as error:
        raise _refused(path, error) from None


def check_place(path: Path) -> None:
    """Raise what `write_whole` would raise of a place where nothing can be written: before hours of work, not after."""
    try:
        handle, name = _beside(_place(path))
    except OSError as error:
        raise (_refused(path, error) if error.strerror else error) from None
    os.close(handle)
    Path(name).unlink()


def _place(path: Path) -> Path:
    place = Path(os.path.realpath(path))  # a link stays a link
    if path.is_relative_to("/dev") or (place.exists() and not place.is_file()):
        raise OSError(f"{path} can't be written: it is not a regular file; give -o another name")
    return place


def _refused(path: Path, error: OSError) -> OSError:
    return OSError(f"{path} can't be written: {error.strerror or error}; give -o a place where you may write")


def _beside(place: Path) -> tuple[int, str]:
    return tempfile.mkstemp(dir=place.parent, prefix=f".{place.name[:100]}.", suffix=".part")


def _replace(place: Path, text: str) -> None:
    handle, name = _beside(place)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o666 & ~_umask())
        Path(name).replace(place)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
