"""Output: a file appears whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO, TypeAlias

Content: TypeAlias = str | bytes | Callable[[BinaryIO], None]
"""What a file is to hold: text (written as UTF-8), bytes, or a function that writes to the open file."""


def write_whole(path: Path, content: Content) -> None:
    """Write to a temporary file beside `path`, then rename: nobody ever sees half a file.

    Raises `OSError` in one line, and leaves nothing behind, where `path` is a folder or a device, its folder is
    missing or read-only, or the disk is full.
    """
    write_together({path: content})


def write_together(contents: Mapping[Path, Content]) -> None:
    """Write files that belong together: all of them to temporary files, and only when all are there, rename each.

    Raises `OSError` as `write_whole`; where one can't be written, what was there before stays, for all of them.
    """
    for path in contents:
        check_place(path)
    parts: dict[Path, Path] = {}
    path = Path()
    try:
        for path, content in contents.items():
            parts[path] = _beside(path, content)
        for path, part in parts.items():
            part.replace(os.path.realpath(path))  # a link stays a link
    except OSError as error:
        raise _refused(path, error) from None
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)


def check_place(path: Path) -> None:
    """Raise `OSError` where `path` names something that is no regular file."""
    place = Path(os.path.realpath(path))
    if path.is_relative_to("/dev") or (place.exists() and not place.is_file()):
        raise OSError(f"{path} can't be written: it is not a regular file; give -o another name")


def check_writable(path: Path) -> None:
    """Raise what `write_whole` would: before hours of work, not after."""
    check_place(path)
    try:
        _beside(path, b"").unlink()
    except OSError as error:
        raise _refused(path, error) from None


def _refused(path: Path, error: OSError) -> OSError:
    return OSError(f"{path} can't be written: {error.strerror or error}; give -o a place where you may write")


def _beside(path: Path, content: Content) -> Path:
    """Write to a temporary file in the folder of `path`; gives its name."""
    place = Path(os.path.realpath(path))
    handle, name = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name[:100]}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            if callable(content):
                content(file)
            else:
                file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o666 & ~_umask())
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return Path(name)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
