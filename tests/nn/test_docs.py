"""The page about the layers runs as it stands."""

from __future__ import annotations

import doctest
from pathlib import Path

import torch

PAGE = Path(__file__).parents[2] / "docs" / "nn.md"


def test_the_page_runs():
    torch.manual_seed(0)
    result = doctest.testfile(str(PAGE), module_relative=False)
    assert result.attempted > 10
    assert result.failed == 0
