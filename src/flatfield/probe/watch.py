"""Watch: the probe's unevenness every so many steps of a training, at a bounded cost."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from flatfield.probe.attempts import settled_plan
from flatfield.probe.passage import subject
from flatfield.probe.plan import Plan
from flatfield.probe.profile import profile, tile_of
from flatfield.probe.tile import Tile
from flatfield.report import ProbeReport


@dataclass
class Watch:
    """Probe a module now and then while it is trained: the output's unevenness and one tile.

    `every` is in steps; a probe is put off until it has cost at most `share` of the time since the watch began, so
    that a small network on a fast machine is not slowed down. Only the first probe looks for the smallest torus.

    >>> import torch
    >>> watch = Watch(torch.ones(1, 1, 4, 4), every=2, share=float("inf"))
    >>> module = nn.ConvTranspose2d(1, 1, 3, stride=2)
    >>> [watch.step(module) is not None for _ in range(4)]
    [True, False, True, False]
    """

    inputs: Sequence[Any] | Any
    keywords: Mapping[str, Any] | None = None
    every: int = 100
    share: float = 0.01
    steps: int = 0
    spent: float = 0.0
    began: float = field(default_factory=time.perf_counter)
    plan: Plan | None = None
    probes: int = 0

    def step(self, module: nn.Module) -> Tile | None:
        """Count a step; give the tile of the output where a probe was due and could be afforded."""
        due = self.steps % self.every == 0
        self.steps += 1
        known = self.spent / max(1, self.probes)
        allowed = self.share * (time.perf_counter() - self.began)
        if not due or (self.probes and self.spent + known > allowed):
            return None
        return self.look(module)

    def look(self, module: nn.Module) -> Tile:
        """Probe now, whatever it costs."""
        start = time.perf_counter()
        whole = subject(module, self.inputs, self.keywords)
        seen = whole.first_pass()
        if self.plan is None:
            self.plan, passage = settled_plan(whole, seen, Plan(""))
        else:
            passage = whole.run(self.plan, seen)
        tile = tile_of(passage)
        self.spent += time.perf_counter() - start
        self.probes += 1
        return tile

    def report(self, module: nn.Module) -> ProbeReport:
        """Profile every layer, for the end of an epoch."""
        whole = subject(module, self.inputs, self.keywords)
        seen = whole.first_pass()
        plan, passage = settled_plan(whole, seen, self.plan or Plan(""))
        return profile(whole, seen, plan, passage)
