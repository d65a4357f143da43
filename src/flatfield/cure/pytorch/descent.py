"""Descent: a training that imitates, step by step; all that it changes, and that a checkpoint therefore holds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from flatfield.cure.pytorch.imitation import Lessons
from flatfield.cure.pytorch.resuming import fingerprint, load_state, save_state

_ASTRAY = 3.0  # dB below the start
_LEAST = 1 / 256  # of the rate


@dataclass(frozen=True)
class Schedule:
    """How long and how fast: Adam with a warm-up and a cosine to nothing, gradients clipped.

    `rate` is the highest learning rate; every `look` steps the held-out examples are looked at. After `patience` looks
    without a better one the training ends; a look far below the start goes back to the best state at half the rate.
    `batch` examples a step. With `checkpoint` the state is saved there at every look, and a state found there is gone
    on from.
    """

    steps: int = 1500
    batch: int = 32
    rate: float = 4e-3
    warm: int = 20
    look: int = 50
    patience: int = 8
    clip: float = 1.0
    seed: int = 0
    checkpoint: Path | None = None

    def rate_at(self, step: int) -> float:
        """Give the learning rate of step 0, 1 ...

        >>> schedule = Schedule(steps=100, warm=10, rate=1.0)
        >>> [round(schedule.rate_at(step), 2) for step in (0, 9, 55, 100)]
        [0.1, 1.0, 0.5, 0.0]
        """
        if step < self.warm:
            return self.rate * (step + 1) / self.warm
        return self.rate * 0.5 * (1 + math.cos(math.pi * (step - self.warm) / max(1, self.steps - self.warm)))


@dataclass(frozen=True)
class Look:
    """One look at the held-out examples: after so many steps, PSNR in dB to the original's outputs."""

    step: int
    psnr: float


class Descent:
    """Everything that a step changes, and that a checkpoint therefore holds."""

    def __init__(self, student: nn.Module, schedule: Schedule) -> None:
        self.student, self.schedule = student, schedule
        self.trained = {name: p for name, p in student.named_parameters() if p.is_floating_point()}
        self.wanted = {name: p.requires_grad for name, p in self.trained.items()}
        for parameter in self.trained.values():
            parameter.requires_grad_(True)
        self.adam = torch.optim.Adam(self.trained.values(), lr=schedule.rate, betas=(0.9, 0.99))
        self.step, self.factor = 0, 1.0
        self.curve: list[Look] = []
        self.best = self._copy()
        self.start = fingerprint(student.state_dict())

    def _copy(self) -> dict[str, Tensor]:
        return {name: parameter.detach().clone() for name, parameter in self.trained.items()}

    def descend(self, taught: Lessons) -> None:
        """Take one step."""
        for group in self.adam.param_groups:
            group["lr"] = self.factor * self.schedule.rate_at(self.step)
        self.adam.zero_grad()
        with torch.enable_grad():
            loss = taught.loss(self.student, taught.drawn(self.schedule.seed, self.step))
            loss.backward()
        nn.utils.clip_grad_norm_(self.trained.values(), self.schedule.clip)
        self.adam.step()
        self.step += 1

    @torch.no_grad()
    def look(self, step: int, taught: Lessons) -> None:
        """Look at the held-out examples; keep the state if it is the best."""
        psnr = taught.held_out_psnr(self.student)
        if not self.curve or psnr > max(look.psnr for look in self.curve):
            self.best = self._copy()
        self.curve.append(Look(step, psnr))

    @torch.no_grad()
    def calm(self) -> None:
        """Where training ran away, go back to the best state, at half the rate."""
        last = self.curve[-1].psnr
        if math.isfinite(last) and last > self.curve[0].psnr - _ASTRAY:
            return
        self.factor /= 2
        if self.factor < _LEAST:
            raise ValueError("recovery runs away at any learning rate: see that the module is differentiable")
        self.adam.state.clear()
        for name, parameter in self.trained.items():
            parameter.copy_(self.best[name])

    def tired(self) -> bool:
        """True after `patience` looks without a better one."""
        values = [look.psnr for look in self.curve]
        return len(values) - 1 - values.index(max(values)) >= self.schedule.patience

    @torch.no_grad()
    def finish(self) -> None:
        """Leave the best state in the module, and every parameter as trainable as it was."""
        for name, parameter in self.trained.items():
            parameter.copy_(self.best[name])
            parameter.requires_grad_(self.wanted[name])
            parameter.grad = None

    def save(self) -> None:
        """Write the checkpoint, if one is wanted."""
        if self.schedule.checkpoint is not None:
            curve = [[look.step, look.psnr] for look in self.curve]
            facts = {"step": self.step, "factor": self.factor, "curve": curve, **self._identity()}
            save_state(self.schedule.checkpoint, self._tensors(), facts)

    def _tensors(self) -> dict[str, Tensor]:
        tensors = {f"now/{name}": p.detach() for name, p in self.trained.items()}
        tensors |= {f"best/{name}": value for name, value in self.best.items()}
        for name, parameter in self.trained.items():
            for kind, value in self.adam.state[parameter].items():
                tensors[f"adam/{kind}/{name}"] = torch.as_tensor(value)
        return tensors

    def _identity(self) -> dict[str, Any]:
        """What a run must have in common with the one whose checkpoint it goes on from."""
        s = self.schedule
        settings = [s.steps, s.batch, s.rate, s.warm, s.look, s.patience, s.clip, s.seed]
        return {"settings": settings, "start": self.start}

    @torch.no_grad()
    def resume(self) -> None:
        """Go on from the checkpoint, if there is one."""
        if self.schedule.checkpoint is None or not self.schedule.checkpoint.exists():
            return
        tensors, facts = load_state(self.schedule.checkpoint)
        if {name: facts.get(name) for name in self._identity()} != self._identity():
            raise ValueError(f"{self.schedule.checkpoint} is the checkpoint of another run: move it away to start anew")
        self.step, self.factor = int(facts["step"]), float(facts["factor"])
        self.curve = [Look(int(step), float(psnr)) for step, psnr in facts["curve"]]
        for name, parameter in self.trained.items():
            parameter.copy_(tensors[f"now/{name}"])
            self.best[name].copy_(tensors[f"best/{name}"])
        self._resume_adam(tensors)

    def _resume_adam(self, tensors: Mapping[str, Tensor]) -> None:
        for name, parameter in self.trained.items():
            kinds = ("step", "exp_avg", "exp_avg_sq")
            if f"adam/step/{name}" in tensors:  # a parameter that no loss reaches has no state
                self.adam.state[parameter] = {kind: tensors[f"adam/{kind}/{name}"].clone() for kind in kinds}
