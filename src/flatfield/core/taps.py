"""Which tap of a kernel joins which input to which output: the one place where geometry becomes numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Ints = tuple[int, ...]
Pairs = tuple[tuple[int, int], ...]


def per_axis(value: int | Sequence[int], dims: int, what: str, *, least: int = 1) -> Ints:
    """Spell a number, or one number an axis, as one number an axis.

    Raises `ValueError` when a sequence has another length than `dims`, or a number is below `least`.

    >>> per_axis(2, 3, "stride")
    (2, 2, 2)
    """
    numbers = (value,) * dims if isinstance(value, int | np.integer) else tuple(value)
    if len(numbers) != dims:
        raise ValueError(f"{what} {numbers} has {len(numbers)} numbers; a {dims}-d layer takes {dims}")
    if min(numbers, default=least) < least:
        raise ValueError(f"{what} {numbers} must be at least {least} on every axis")
    return tuple(int(number) for number in numbers)


def per_axis_pairs(value: int | Sequence[int | Sequence[int]], dims: int, what: str) -> Pairs:
    """Spell a padding as (before, after), one pair an axis.

    >>> per_axis_pairs((1, (0, 2)), 2, "padding")
    ((1, 1), (0, 2))
    """
    if isinstance(value, int | np.integer):
        return ((int(value), int(value)),) * dims
    if len(value) != dims:
        raise ValueError(f"{what} {tuple(value)} has {len(value)} entries; a {dims}-d layer takes {dims}")
    pairs = []
    for entry in value:
        before, after = (entry, entry) if isinstance(entry, int | np.integer) else entry
        pairs.append((int(before), int(after)))
    return tuple(pairs)


def tap_positions(kernel: int, dilation: int = 1) -> npt.NDArray[np.int64]:
    """Where the taps of one axis of a kernel lie, in samples: 0, d, 2d ... (k - 1)d.

    >>> tap_positions(3, dilation=2).tolist()
    [0, 2, 4]
    """
    return np.arange(kernel, dtype=np.int64) * dilation


def tap_selection(
    positions: npt.NDArray[np.int64],
    *,
    inputs: int,
    outputs: int,
    stride: int,
    padding: int,
    torus: bool = False,
) -> npt.NDArray[np.float64]:
    """Say which tap `t` writes input `n` to output `m` of a transposed convolution, on one axis.

    Returns an array (outputs, inputs, taps) of 0 and 1: 1 where `positions[t] = m + padding - stride * n`
    (design, section 3). On a torus output positions wrap round at `outputs`, so that several taps of a
    long kernel may join the same pair.

    >>> tap_selection(tap_positions(3), inputs=2, outputs=5, stride=2, padding=0).sum(axis=(1, 2))
    array([1., 1., 2., 1., 1.])
    """
    landing = np.add.outer(stride * np.arange(inputs), positions) - padding
    if torus:
        landing %= outputs
    selection = np.equal.outer(np.arange(outputs), landing)
    return np.asarray(selection, dtype=np.float64)
