"""`-o`: a file appears whole or not at all, and what was there before stays until then."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from flatfield.cli.output import write_whole

OLD = "the report of yesterday\n"


@pytest.fixture
def report(tmp_path: Path) -> Path:
    path = tmp_path / "report.json"
    path.write_text(OLD, encoding="utf-8")
    return path


def refuse(number: int) -> Callable[..., NoReturn]:
    def failing(*_: Any, **__: Any) -> NoReturn:
        raise OSError(number, os.strerror(number))

    return failing


def assert_untouched(report: Path) -> None:
    assert report.read_text(encoding="utf-8") == OLD
    assert [path.name for path in report.parent.iterdir()] == [report.name]


def test_a_file_is_written_and_replaced(report: Path) -> None:
    write_whole(report, "größe\n")
    assert report.read_bytes() == "größe\n".encode()
    assert [path.name for path in report.parent.iterdir()] == ["report.json"]


def test_the_old_file_is_there_while_the_new_one_is_written(report: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, int]] = []

    def watch(handle: int) -> None:
        assert os.fstat(handle).st_size == 4
        seen.append((report.read_text(encoding="utf-8"), len(list(report.parent.iterdir()))))

    monkeypatch.setattr(os, "fsync", watch)
    write_whole(report, "new\n")
    assert seen == [(OLD, 2)]
    assert report.read_text(encoding="utf-8") == "new\n"


@pytest.mark.parametrize(
    ("owner", "name", "number", "why"),
    [
        (os, "fsync", errno.ENOSPC, "No space left on device"),
        (Path, "replace", errno.EACCES, "Permission denied"),
        (tempfile, "mkstemp", errno.EROFS, "Read-only file system"),
        (tempfile, "mkstemp", errno.EACCES, "Permission denied"),
    ],
)
def test_a_write_that_fails_leaves_the_old_file(
    report: Path, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, number: int, why: str
) -> None:
    monkeypatch.setattr(owner, name, refuse(number))
    with pytest.raises(OSError, match=f"report.json can't be written: {why}; give -o a place where you may write"):
        write_whole(report, "new\n")
    monkeypatch.undo()
    assert_untouched(report)


def test_an_interrupt_leaves_the_old_file(report: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: int) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_whole(report, "new\n")
    assert_untouched(report)


def test_the_command_says_it_in_one_line(
    flatfield: Callable[..., Any], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "report.json").write_text(OLD, encoding="utf-8")
    monkeypatch.setattr(os, "fsync", refuse(errno.ENOSPC))
    result = flatfield("check", "example:deconv", "-o", "report.json")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "flatfield: report.json can't be written: No space left on device; give -o a place where you may write\n"
    )
    assert (folder / "report.json").read_text(encoding="utf-8") == OLD
    assert not list(folder.glob(".*"))


def test_nowhere_to_write(flatfield: Callable[..., Any], folder: Path) -> None:
    (folder / "taken.json").mkdir()
    for name, why in (("nowhere/report.json", "No such file or directory"), ("taken.json", "it is not a regular file")):
        result = flatfield("check", "example:deconv", "-o", name)
        assert result.exit_code == 2
        assert f"{name} can't be written: {why}; give -o" in result.stderr
    assert not (folder / "nowhere").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write into a read-only folder")
def test_a_read_only_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(OSError, match="Permission denied"):
            write_whole(tmp_path / "report.json", "new\n")
    finally:
        tmp_path.chmod(0o755)


@pytest.mark.parametrize("device", ["/dev/null", "/dev/stdout"])
def test_a_device_is_not_replaced_by_a_file(device: str) -> None:
    if not Path(device).exists():
        pytest.skip(f"there is no {device}")
    with pytest.raises(OSError, match="it is not a regular file"):
        write_whole(Path(device), "new\n")


def test_a_link_stays_a_link(report: Path) -> None:
    link = report.with_name("latest.json")
    link.symlink_to(report)
    write_whole(link, "new\n")
    assert link.is_symlink()
    assert report.read_text(encoding="utf-8") == "new\n"


def test_the_file_has_the_rights_that_any_new_file_has(tmp_path: Path) -> None:
    plain, ours = tmp_path / "plain", tmp_path / "ours"
    plain.touch()
    write_whole(ours, "new\n")
    assert stat.S_IMODE(ours.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)
