"""`python -m benchmarks.nn [--threads N] [--rounds N]`: the table of the layers, in Markdown."""

from __future__ import annotations

import argparse
import logging
import os
import platform

import torch

from benchmarks.nn.flat import cost_of_flatness
from benchmarks.nn.resize import OTHERS, PLANE, against_pair, against_transposed, memory
from benchmarks.nn.runtime import exported


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--compiled", action="store_true", help="compile the plain pair for every row, not only forward nearest"
    )
    parser.add_argument("--only", default="pair,smooth,train,memory,transposed,flat,onnx")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    logging.disable(logging.WARNING)
    only, rounds = options.only.split(","), options.rounds
    print(f"PyTorch {torch.__version__}, {platform.machine()}, {options.threads} threads, medians of {rounds} rounds")
    both = PLANE + OTHERS
    if "memory" in only:
        memory(both)
    if "pair" in only:
        against_pair("Forward, nearest", both, smooth=False, train=False, compiled=True, rounds=rounds)
    if "transposed" in only:
        against_transposed(both, rounds)
    given = {"compiled": options.compiled, "rounds": max(3, rounds - 2)}
    if "train" in only:
        against_pair("Forward + backward, nearest", both, smooth=False, train=True, **given)
    if "smooth" in only:
        against_pair("Forward, linear", both, smooth=True, train=False, **given)
    if "flat" in only:
        cost_of_flatness(PLANE, rounds)
    if "onnx" in only:
        exported(both, rounds, options.threads)


if __name__ == "__main__":
    main()
