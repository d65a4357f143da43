"""What the probe costs: a whole profile against one run of the example, and a watch against its training.

Run with `python -m benchmarks.probe`. Multiply-adds are exact; times are the best of several, in one thread. The
networks that ship with flatfield run in a millisecond, so there the time is that of Python, not of arithmetic; the
larger ones at the end show what a person waits for.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from flatfield.examples import load, names
from flatfield.examples.generator import DcganGenerator
from flatfield.probe.profile import probe_module
from flatfield.probe.watch import Watch


def multiply_adds(call: Callable[[], Any]) -> int:
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        call()
    return int(counter.get_total_flops()) // 2


def seconds(call: Callable[[], Any], times: int = 5) -> float:
    call()
    best = float("inf")
    for _ in range(times):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best


def profile_row(name: str, module: nn.Module, inputs: tuple[torch.Tensor, ...], times: int = 5) -> str:
    def run() -> Any:
        with torch.no_grad():
            return module(*inputs)

    def probe() -> Any:
        return probe_module(module, inputs)

    layers = sum(layer.alone is not None for layer in probe().layers)
    work = multiply_adds(probe) / multiply_adds(run)
    one, whole = seconds(run, times), seconds(probe, times)
    return f"{name:24} {layers:6} {work:14.2f} {1e3 * one:10.1f} {1e3 * whole:10.1f} {whole / one:8.2f}"


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


def training_row(share: float, steps: int = 300) -> str:
    """Train a generator with and without a watch that is due every ten steps."""
    torch.manual_seed(0)
    module = DcganGenerator(("deconv", "deconv", "deconv"))
    optimiser = torch.optim.Adam(module.parameters())
    watch = Watch(torch.randn(1, 64), every=10, share=share)
    start = time.perf_counter()
    for _ in range(steps):
        optimiser.zero_grad()
        (module(torch.randn(32, 64)) ** 2).mean().backward()
        optimiser.step()
        watch.step(module)
    whole = time.perf_counter() - start
    return f"{share:8.2%} {watch.probes:8} {watch.spent:10.3f} {whole:10.3f} {watch.spent / whole:10.2%}"


def main() -> None:
    torch.set_num_threads(1)
    print(f"{'network':24} {'layers':>6} {'mult-adds x':>14} {'one ms':>10} {'profile ms':>10} {'time x':>8}")
    for name in names():
        if name != "classifier":
            example = load(name)
            print(profile_row(name, example.module, example.inputs))
    torch.manual_seed(0)
    print(profile_row("wide decoder 512 x 512", WideDecoder().eval(), (torch.randn(1, 256, 32, 32),), times=2))
    print(f"\n{'share':>8} {'probes':>8} {'spent s':>10} {'whole s':>10} {'measured':>10}")
    for share in (0.01, 0.005):
        print(training_row(share))


if __name__ == "__main__":
    main()
