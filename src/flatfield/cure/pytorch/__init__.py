"""What the plans mean for a PyTorch module; every function works on a copy."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from flatfield.cure.examples import Examples, Progress
from flatfield.cure.pytorch.blur import blur
from flatfield.cure.pytorch.correct import correct
from flatfield.cure.pytorch.flatten import flatten
from flatfield.cure.pytorch.fuse import fuse
from flatfield.cure.pytorch.icnr import icnr
from flatfield.cure.pytorch.recover import recover
from flatfield.cure.pytorch.resize import resize
from flatfield.cure_report import CurePlan, How

Method = Callable[[CurePlan, nn.Module, Examples, Progress], tuple[nn.Module, tuple[str, ...]]]

METHODS: dict[How, Method] = {
    "correct": correct,
    "flatten": flatten,
    "recover": recover,
    "resize": resize,
    "icnr": icnr,
    "blur": blur,
    "fuse": fuse,
}
"""How -> (plan, module, examples, progress) -> the cured copy, with notes for the report."""
