"""What is under way is said on standard error, to somebody who looks and to nobody else."""

from __future__ import annotations

import io
import sys
import time

import pytest

from flatfield.cli.progress import waiting


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("stream", "said"), [(Screen(), True), (io.StringIO(), False)])
def test_waiting(stream: io.StringIO, said: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", stream)
    with waiting("running [bold]it on a flat field"):
        time.sleep(0.2)
    assert ("running [bold]it on a flat field" in stream.getvalue()) is said
    assert bool(stream.getvalue()) is said
