"""What the probe costs: a whole profile against one run of the example, and a watch against the training it watches.

Run with `python -m benchmarks.probe`. Multiply-adds and passes are counted; times are of the processor, in one thread,
both sides in turn, medians (`benchmarks/nn/clock.py`). The networks that ship with flatfield run in a millisecond, so
there the time is Python's between the operators; published ones at the end show what a person waits for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import peers
from benchmarks.check_pytorch import CASES
from benchmarks.nn.clock import heading, medians, row
from flatfield.examples import load, names
from flatfield.examples.generator import DcganGenerator
from flatfield.probe.passage import Subject
from flatfield.probe.profile import probe_module
from flatfield.probe.watch import Watch

ROUNDS = 7
STEPS = 200


def multiply_adds(call: Callable[[], Any]) -> int:
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        call()
    return int(counter.get_total_flops()) // 2


def passes(call: Callable[[], Any]) -> int:
    """Count the runs of a network that a call makes."""
    originals = {name: getattr(Subject, name) for name in ("run", "first_pass")}
    count = 0

    def counted(name: str) -> Callable[..., Any]:
        def run(*arguments: Any) -> Any:
            nonlocal count
            count += 1
            return originals[name](*arguments)

        return run

    for name in originals:
        setattr(Subject, name, counted(name))
    try:
        call()
    finally:
        for name, original in originals.items():
            setattr(Subject, name, original)
    return count


def profile_row(name: str, module: nn.Module, inputs: tuple[torch.Tensor, ...], rounds: int = ROUNDS) -> None:
    def run() -> Any:
        with torch.no_grad():
            return module(*inputs)

    def probe() -> Any:
        return probe_module(module, inputs)

    layers = sum(layer.alone is not None for layer in probe().layers)
    work = multiply_adds(probe) / multiply_adds(run)
    times = medians({"run": run, "probe": probe}, rounds)
    ratio = times["probe"] / times["run"]
    made = f"{passes(probe)} ({layers + 2})"
    row(name, str(layers), made, f"{work:.2f}", f"{times['run']:.1f}", f"{times['probe']:.1f}", f"{ratio:.2f}")


class WideDecoder(nn.Sequential):
    """Four doublings from 32 x 32 x 256, three convolutions each: as heavy as decoders in use."""

    def __init__(self, channels: int = 256) -> None:
        super().__init__()
        for _ in range(4):
            self.append(nn.ConvTranspose2d(channels, channels // 2, 4, 2, 1))
            channels //= 2
            for _ in range(3):
                self.extend([nn.Conv2d(channels, channels, 3, padding=1), nn.GroupNorm(8, channels), nn.SiLU()])
        self.append(nn.Conv2d(channels, 3, 3, padding=1))


def larger() -> Iterator[tuple[str, nn.Module, torch.Tensor]]:
    torch.manual_seed(0)
    yield "wide decoder, 512 x 512", WideDecoder().eval(), torch.randn(1, 256, 32, 32)
    with peers.importable():
        for case in CASES:
            module, example = case.build()
            yield case.name, module.eval(), example


class Adversary(nn.Sequential):
    """A discriminator for 64 x 64 pictures, as DCGAN's."""

    def __init__(self) -> None:
        super().__init__()
        for inputs, outputs in ((3, 32), (32, 64), (64, 128), (128, 256)):
            self.extend([nn.Conv2d(inputs, outputs, 4, 2, 1), nn.LeakyReLU(0.2)])
        self.append(nn.Conv2d(256, 1, 4))


def step(optimiser: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


def training_row(share: float, steps: int = STEPS) -> None:
    """Train a generator against a discriminator on noise, with a watch that is due every ten steps."""
    torch.manual_seed(0)
    generator, adversary = DcganGenerator(("deconv",) * 4, kernel=4), Adversary()
    optimisers = [torch.optim.Adam(module.parameters(), 2e-4, (0.5, 0.999)) for module in (generator, adversary)]
    watch = Watch(torch.randn(1, 64), every=10, share=share)
    start = time.perf_counter()
    for _ in range(steps):
        real, painted = torch.rand(16, 3, 64, 64), generator(torch.randn(16, 64))
        step(optimisers[0], F.softplus(-adversary(painted)).mean())
        told = F.softplus(adversary(painted.detach())).mean() + F.softplus(-adversary(real)).mean()
        step(optimisers[1], told)
        watch.step(generator)
    whole = time.perf_counter() - start
    cost = 1e3 * watch.spent / watch.probes
    row(
        "no bound" if share > 1 else f"{share:.1%}", str(steps), f"{1e3 * whole / steps:.0f}", str(watch.probes),
        f"{cost:.0f}", f"{watch.spent / whole:.2%}",
    )  # fmt: skip


def main() -> None:
    torch.set_num_threads(1)
    columns = ["network", "layers that draw", "passes (L + 2)", "multiply-adds x", "one run ms", "profile ms", "time x"]
    heading("Profiles", columns)
    for name in names():
        if name != "classifier":
            example = load(name)
            profile_row(name, example.module, example.inputs)
    for name, module, example_input in larger():
        profile_row(name, module, (example_input,), rounds=3)
    heading("A watch in a training", ["share", "steps", "step ms", "probes", "probe ms", "of the training"])
    for share in (0.01, 0.005, float("inf")):
        training_row(share)


if __name__ == "__main__":
    main()
