"""The one training loop: seeded step by step, resumable after a kill, the same on one process as on many."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import nn

from flatfield.examples.seed import seeded
from flatfield.lab.averaged import Averaged
from flatfield.lab.checkpoint import load_checkpoint, save_checkpoint
from flatfield.lab.clock import clock
from flatfield.lab.draw import Draw, generator_of, seed_of
from flatfield.lab.recipe import Recipe
from flatfield.lab.task import Networks, Part, Task

Row = dict[str, Any]
Progress = Callable[[int, int], None]
Observe = Callable[[int, Networks], Sequence[Row]]


def silent(done: int, total: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Watch:
    """Look at the averaged networks after so many steps (0: before the first); what `observe` returns is kept."""

    steps: tuple[int, ...]
    observe: Observe


@dataclass(frozen=True)
class Trained:
    """What came of a training: averaged networks, the losses of every step, what was observed on the way.

    `seconds` are the steps' alone, observations not counted: processor time on a CPU.
    """

    networks: dict[str, nn.Module]
    losses: tuple[Row, ...]
    observed: tuple[Row, ...]
    seconds: float

    @property
    def steps_per_second(self) -> float:
        """Speed of the steps alone."""
        return len(self.losses) / self.seconds if self.seconds > 0 else math.inf


@dataclass
class _Run:
    """Everything that a step changes, and that a checkpoint therefore holds."""

    wrapped: dict[str, nn.Module]
    optimizers: dict[str, Any]
    averages: dict[str, Averaged]
    losses: list[Row]
    observed: list[Row]
    seconds: float = 0.0

    @property
    def bare(self) -> dict[str, nn.Module]:
        """The networks without what Fabric wrapped round them."""
        return {name: getattr(network, "module", network) for name, network in self.wrapped.items()}

    def state(self) -> dict[str, Any]:
        return {
            "networks": {name: network.state_dict() for name, network in self.bare.items()},
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
            "averages": {name: average.state for name, average in self.averages.items()},
            "losses": self.losses,
            "observed": self.observed,
            "seconds": self.seconds,
        }

    def restore(self, state: dict[str, Any]) -> None:
        for name, network in self.bare.items():
            network.load_state_dict(state["networks"][name])
            self.averages[name].load(state["averages"][name])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        self.losses, self.observed, self.seconds = state["losses"], state["observed"], state["seconds"]


def train(
    task: Task,
    recipe: Recipe,
    fabric: Fabric,
    seed: int,
    *,
    checkpoint: Path | None = None,
    every: float = 20.0,
    watch: Watch | None = None,
    progress: Progress = silent,
) -> Trained:
    """Train the task's networks for `recipe.steps` steps.

    The result depends on the task, the recipe and the seed alone (timings apart): not on where it was interrupted, nor,
    up to rounding, on how many processes share a batch. With `checkpoint`, the state is saved there about every
    `every` seconds, and a state found there is gone on from. Raises `ValueError` when a loss is not finite.
    """
    run = _start(task, recipe, fabric, seed)
    saved = load_checkpoint(checkpoint, fabric)
    if saved is not None:
        run.restore(saved)
    elif watch is not None and 0 in watch.steps:
        _observe(run, recipe, watch, 0)
    last_saved = time.monotonic()
    for step in range(len(run.losses), recipe.steps):
        began = clock(fabric.device)
        run.losses.append(_step(task, recipe, fabric, seed, run, step))
        run.seconds += clock(fabric.device) - began
        if watch is not None and step + 1 in watch.steps:
            _observe(run, recipe, watch, step + 1)
        # process 0 decides for all, since clocks differ
        due = checkpoint is not None and time.monotonic() - last_saved >= every
        if checkpoint is not None and fabric.broadcast(due):
            save_checkpoint(checkpoint, run.state(), fabric)
            last_saved = time.monotonic()
        progress(step + 1, recipe.steps)
    return Trained(_evaluated(run, recipe), tuple(run.losses), tuple(run.observed), run.seconds)


def _start(task: Task, recipe: Recipe, fabric: Fabric, seed: int) -> _Run:
    with seeded(seed_of(seed, "start")):
        networks = task.networks()
    bodies = {part.network for part in task.parts}
    wrapped: dict[str, nn.Module] = {}
    optimizers: dict[str, Any] = {}
    for name, network in networks.items():
        if name not in bodies:  # a fixed network, such as the one that judges a style
            wrapped[name] = fabric.to_device(network.eval().requires_grad_(False))
            continue
        optimizer = torch.optim.Adam(network.parameters(), lr=recipe.rate, betas=recipe.betas)
        wrapped[name], optimizers[name] = fabric.setup(network.train(), optimizer)
    run = _Run(wrapped, optimizers, {}, [], [])
    run.averages = {name: Averaged(network) for name, network in run.bare.items()}
    return run


def _step(task: Task, recipe: Recipe, fabric: Fabric, seed: int, run: _Run, step: int) -> Row:
    row: Row = {"step": step + 1}
    for part in task.parts:
        draw = Draw(generator_of(seed, step, part.name), recipe.batch, fabric.global_rank, fabric.world_size)
        row[part.name] = _descend(task, recipe, fabric, run, part, draw, recipe.rate_at(step) * part.rate)
        if not math.isfinite(row[part.name]):
            raise ValueError(
                f"the {part.name} loss became {row[part.name]} at step {step + 1}: lower the learning rate"
            )
    for name in run.optimizers:
        run.averages[name].update(run.bare[name], recipe.average_at(step))
    return row


def _descend(task: Task, recipe: Recipe, fabric: Fabric, run: _Run, part: Part, draw: Draw, rate: float) -> float:
    network, optimizer = run.wrapped[part.network], run.optimizers[part.network]
    for group in optimizer.param_groups:
        group["lr"] = rate
    loss = task.loss(part.name, run.wrapped, draw)
    # whatever other networks took part, their gradients are not wanted
    for other in run.optimizers.values():
        other.zero_grad()
    fabric.backward(loss)
    fabric.clip_gradients(network, optimizer, max_norm=recipe.clip, error_if_nonfinite=False)
    optimizer.step()
    shared = fabric.all_reduce(loss.detach(), reduce_op="mean")
    assert isinstance(shared, torch.Tensor)
    return float(shared)


def _evaluated(run: _Run, recipe: Recipe) -> dict[str, nn.Module]:
    return {
        name: run.averages[name].network(network) if recipe.average > 0 else network.eval()
        for name, network in run.bare.items()
    }


def _observe(run: _Run, recipe: Recipe, watch: Watch, step: int) -> None:
    networks = {name: run.averages[name].network(network) for name, network in run.bare.items()}
    run.observed.extend({"step": step, **row} for row in watch.observe(step, networks))
