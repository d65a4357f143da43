"""What each way costs on a CPU: a linear model of the work, fitted by `python -m benchmarks.nn.fit`."""

from __future__ import annotations

import math
from collections.abc import Sequence

from flatfield.nn.ways.phases import reach

Row = tuple[float, float, float]

SECONDS: dict[tuple[str, bool, int], Row] = {
    ("mixed", False, 1): (1.65e-11, 4.89e-10, 0.000144),
    ("mixed", False, 2): (3.23e-11, 6.95e-10, 2.66e-05),
    ("mixed", False, 3): (6.45e-11, 1.13e-09, 2e-05),
    ("mixed", True, 2): (2.08e-11, 5.34e-10, 3.75e-05),
    ("mixed", True, 3): (4.05e-11, 9.27e-10, 2.65e-05),
    ("phases", False, 1): (1.54e-11, 7.95e-10, 0.000167),
    ("phases", False, 2): (2.62e-11, 1.27e-09, 0.000186),
    ("phases", False, 3): (1.88e-11, 1.69e-09, 0.000906),
    ("phases", True, 2): (1.84e-11, 5.86e-10, 0.000354),
    ("phases", True, 3): (3.1e-11, 1.35e-09, 0.000643),
    ("plain", False, 1): (1.34e-11, 8.97e-10, 0),
    ("plain", False, 2): (1.45e-11, 1.69e-09, 0),
    ("plain", False, 3): (7.99e-12, 3.71e-09, 0.00148),
    ("plain", True, 2): (1.19e-11, 1.08e-09, 0),
    ("plain", True, 3): (1.03e-11, 2.92e-09, 0.000317),
    ("transposed", False, 1): (1.35e-11, 3.57e-09, 0.000268),
    ("transposed", False, 2): (1.96e-11, 5.24e-09, 8.1e-05),
    ("transposed", False, 3): (1.73e-11, 8.65e-09, 0.00124),
    ("transposed", True, 2): (1.82e-11, 2.65e-10, 0.000818),
    ("transposed", True, 3): (2.44e-11, 1.84e-09, 0.0019),
}
"""(way, channels_last, dims) -> seconds for a multiply-add, for a number moved, for a call; one core, AVX-512.

Only ratios matter, and more cores divide all alike; the fit is within a factor of 1.2 to 1.6 of the times."""


def work(way: str, x: Sequence[int], weight: Sequence[int], scale: Sequence[int]) -> tuple[float, float, float]:
    """Count the work of a way: (multiply-adds, numbers moved, calls), for shapes of `x` and `weight`.

    Multiply-adds per input position, 2-D, kernel 3, scale 2, one channel to one: 36 plainly, 16 for the
    folded kernel and for the phase kernels, 9 mixed at low resolution (design, section 3).

    >>> [int(work(way, (1, 1, 1, 1), (1, 1, 3, 3), (2, 2))[0]) for way in ("plain", "transposed", "phases", "mixed")]
    [36, 16, 16, 9]
    """
    positions = x[0] * math.prod(x[2:])
    out, into, kernel = weight[0], weight[1], weight[2:]
    phases, taps = math.prod(scale), math.prod(kernel)
    high_in, low_in, high_out = positions * phases * x[1], positions * x[1], positions * phases * out
    if way == "plain":
        return positions * phases * taps * into * out, 2 * high_in + high_out, 1
    if way == "transposed":
        folded = math.prod(k + s - 1 for k, s in zip(kernel, scale, strict=True))
        return positions * folded * into * out, low_in + high_out, 1
    if way == "phases":
        small = math.prod(s * reach(k, s) for k, s in zip(kernel, scale, strict=True))
        return positions * small * into * out, low_in + 3 * high_out, 1
    sums = sum(k * s for k, s in zip(kernel, scale, strict=True))
    moved = 2 * low_in * len(kernel) + positions * out * sums * math.prod(scale[:-1])
    return positions * taps * into * out, moved, taps * x[0] if len(kernel) == 1 else taps


def seconds(way: str, x: Sequence[int], weight: Sequence[int], scale: Sequence[int], *, channels_last: bool) -> float:
    """Predict the time of a way on one core; compare predictions, don't believe them.

    >>> large = (1, 512, 64, 64), (512, 512, 3, 3), (2, 2)
    >>> 2 < seconds("plain", *large, channels_last=True) / seconds("mixed", *large, channels_last=True) < 4
    True
    """
    row = SECONDS[way, channels_last, len(scale)]
    return sum(cost * amount for cost, amount in zip(row, work(way, x, weight, scale), strict=True))


def smoothing_seconds(
    x: Sequence[int],
    weight: Sequence[int],
    scale: Sequence[int],
    padding: Sequence[tuple[int, int]],
    *,
    channels_last: bool,
) -> float:
    """Predict what a smooth interpolation adds to a folded way: one pass over the output, and the strips.

    A strip is thin, and a convolution does it at half its speed.
    """
    outputs = x[0] * weight[0] * math.prod(x[2:]) * math.prod(scale)
    total = outputs * (2.5e-9 if channels_last else 6.2e-9)
    plain = seconds("plain", x, weight, scale, channels_last=channels_last)
    for n, s, pair in zip(x[2:], scale, padding, strict=True):
        total += sum(2 * plain * rows / (n * s) + 3e-4 for rows in pair if rows)
    return total
