"""Fit the cost model of `flatfield.nn.ways.cost`: `python -m benchmarks.nn.fit [1] [2] [3]` prints its table.

Every way is timed on a spread of shapes; its seconds are explained by multiply-adds, numbers moved and calls
(non-negative least squares on relative errors), an own row for each layout.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from scipy.optimize import nnls
from torch import Tensor

from benchmarks.nn.clock import medians
from flatfield.nn.functional import resize_conv
from flatfield.nn.ways.cost import work

LAST = {4: torch.channels_last, 5: torch.channels_last_3d}
SIZES = {1: (512, 4096), 2: (16, 32, 96), 3: (8, 20, 40, 64)}
SHAPES = 150
BUDGET = 1e10  # multiply-adds of the plain way, so that the fit takes minutes


def cases() -> Iterator[tuple[Tensor, Tensor, int, bool]]:
    for dims in (1, 2, 3):
        channels = itertools.product((16, 64, 256), (3, 32, 128, 256), SIZES[dims], ((3, 2), (5, 2), (3, 4)), (1, 4))
        for into, out, n, (k, s), batch in channels:
            plain = batch * into * out * (k * s * n) ** dims
            if not 2e7 < plain < BUDGET:
                continue
            x, weight = torch.randn(batch, into, *[n] * dims), torch.randn(out, into, *[k] * dims)
            yield x, weight, s, False
            if dims > 1:
                yield x.to(memory_format=LAST[x.dim()]), weight, s, True


def main() -> None:
    torch.set_num_threads(1)
    dims = [int(word) for word in sys.argv[1:]] or [1, 2, 3]
    rows: dict[tuple[str, bool, int], list[tuple[tuple[float, ...], float]]] = {}
    every = [case for case in cases() if case[0].dim() - 2 in dims]
    keep = np.random.default_rng(0).permutation(len(every))[:SHAPES]
    with torch.no_grad():
        for x, weight, s, last in (every[i] for i in keep):
            for way in ("plain", "transposed", "phases", "mixed"):
                call = partial(resize_conv, x, weight, scale_factor=s, way=way)
                seconds = medians({way: call}, 3)[way] / 1e3
                features = work(way, x.shape, weight.shape, (s,) * (x.dim() - 2))
                rows.setdefault((way, last, x.dim() - 2), []).append((features, seconds))
    for key, timed in sorted(rows.items()):
        measured = np.array([t for _, t in timed])
        table = np.array([f for f, _ in timed]) / measured[:, None]
        scale = table.max(axis=0)
        found, _ = nnls(table / scale, np.ones(len(measured)))
        found = found / scale
        error = np.exp(np.median(np.abs(np.log(table @ found))))
        print(f"    {key}: ({', '.join(f'{c:.3g}' for c in found)}),  # within x{error:.2f}, {len(timed)} shapes")


if __name__ == "__main__":
    main()
