"""What a profile costs: passes, and multiply-adds against one run of the example at its natural size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from flatfield.examples import load, names
from flatfield.probe.passage import Subject
from flatfield.probe.profile import probe_module


def multiply_adds(call: Callable[[], Any]) -> int:
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        call()
    return int(counter.get_total_flops()) // 2


@pytest.mark.parametrize("name", [n for n in names() if n != "classifier"])
def test_a_profile_costs_few_passes_and_less_than_two_runs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    example = load(name)
    passes = []
    for method in ("run", "first_pass"):
        original = getattr(Subject, method)

        def counted(self: Subject, *arguments: Any, _original: Any = original) -> Any:
            passes.append(1)
            return _original(self, *arguments)

        monkeypatch.setattr(Subject, method, counted)
    natural = multiply_adds(lambda: example.module(*example.inputs))
    report = probe_module(example.module, example.inputs)
    drawing = [layer for layer in report.layers if layer.alone is not None]
    # instance normalisation refuses the one position of the U-Net's smallest torus, so the next one is tried
    assert len(passes) <= len(drawing) + (2 if name != "unet3d" else 3)
    assert multiply_adds(lambda: probe_module(example.module, example.inputs)) < 2 * natural
