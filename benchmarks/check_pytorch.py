"""What `check` of a PyTorch module costs, beside one forward pass on the same input.

`python -m benchmarks.check_pytorch` fetches the packages once and prints a table. One process, one thread, its own
processor time, interleaved; medians.
"""

from __future__ import annotations

import importlib
import logging
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks import peers

ROUNDS = 5


@dataclass(frozen=True)
class Case:
    """A network at the size people use it at."""

    name: str
    build: Callable[[], tuple[Any, Any]]


@dataclass(frozen=True)
class Cost:
    """Median processor seconds of a forward pass, of reading, and of the report on what was read."""

    forward: float
    reading: float
    report: float

    @property
    def ratio(self) -> float:
        """A check in forward passes."""
        return (self.reading + self.report) / self.forward


def autoencoder() -> tuple[Any, Any]:
    """The decoder and encoder of a latent diffusion model at a quarter of its channels, 128 x 128."""
    import torch

    diffusers = importlib.import_module("diffusers")
    channels = (64, 128, 256, 256)
    down, up = ("DownEncoderBlock2D",) * 4, ("UpDecoderBlock2D",) * 4
    settings = {"block_out_channels": channels, "down_block_types": down, "up_block_types": up, "layers_per_block": 2}
    return diffusers.AutoencoderKL(**settings), torch.randn(1, 3, 128, 128)


def vocoder() -> tuple[Any, Any]:
    """A HiFi-GAN vocoder as it is published, on half a second of spectrogram."""
    import torch

    transformers = importlib.import_module("transformers")
    return transformers.SpeechT5HifiGan(transformers.SpeechT5HifiGanConfig()), torch.randn(1, 32, 80)


def segmentation() -> tuple[Any, Any]:
    """A 3-D U-Net on a patch of 64 x 64 x 64."""
    import torch

    nets = importlib.import_module("monai.networks.nets")
    return nets.UNet(3, 1, 2, (16, 32, 64, 128), (2, 2, 2), num_res_units=2), torch.randn(1, 1, 64, 64, 64)


CASES = (
    Case("AutoencoderKL, 128 x 128", autoencoder),
    Case("SpeechT5HifiGan, 32 frames", vocoder),
    Case("UNet 3-D, 64 x 64 x 64", segmentation),
)


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """Processor seconds of one call, and its result."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def measure(case: Case, rounds: int = ROUNDS) -> Cost:
    """Interleave forward passes and checks."""
    import torch

    from flatfield.checking import report_on
    from flatfield.readers.pytorch import read_module

    torch.set_num_threads(1)
    torch.manual_seed(0)
    module, x = case.build()
    module.eval()
    rows: list[tuple[float, float, float]] = []
    with torch.no_grad():
        module(x)
        read_module(module, (x,))
        for _ in range(rounds):
            forward, _ = seconds(partial(module, x))
            reading, network = seconds(partial(read_module, module, (x,)))
            report, _ = seconds(partial(report_on, network))
            rows.append((forward, reading, report))
    return Cost(*(statistics.median(column) for column in zip(*rows, strict=True)))


def main(arguments: Sequence[str]) -> int:
    """Print one row a network; the exit status is 1 where a check costs more than three forward passes."""
    logging.disable(logging.CRITICAL)
    rounds = int(arguments[0]) if arguments else ROUNDS
    print("| network | forward s | reading s | report s | check / forward |\n|---|--:|--:|--:|--:|")
    worst = 0.0
    with peers.importable():
        for case in CASES:
            cost = measure(case, rounds)
            worst = max(worst, cost.ratio)
            row = f"{cost.forward:.2f} | {cost.reading:.2f} | {cost.report:.3f} | {cost.ratio:.2f}"
            print(f"| {case.name} | {row} |", flush=True)
    return int(worst > 3.0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
