"""Which tap of a kernel joins which input to which output: the one place where geometry becomes numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Ints = tuple[int, ...]
Pairs = tuple[tuple[int, int], ...]


def per_axis(value: int | Sequence[int], dims: int, what: str) -> Ints:
    """Spell a number, or one number an axis, as one number an axis.

    Raises `ValueError` when a sequence has another length than `dims`.

    >>> per_axis(2, 3, "stride")
    (2, 2, 2)
    """
    if isinstance(value, int | np.integer):
        return (int(value),) * dims
    if len(value) != dims:
        raise ValueError(f"{what} {tuple(value)} has {len(value)} numbers; a {dims}-d layer takes {dims}")
    return tuple(int(number) for number in value)


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
    (design, section 3). On a torus output positions wrap round at `outputs`, and a kernel longer than
    the torus reaches an output more than once.

    >>> tap_selection(tap_positions(3), inputs=2, outputs=5, stride=2, padding=0).sum(axis=(1, 2))
    array([1., 1., 2., 1., 1.])
    """
    selection = np.zeros((outputs, inputs, len(positions)))
    landing = stride * np.arange(inputs)[:, None] + positions[None, :] - padding
    source, tap = np.indices(landing.shape)
    if torus:
        np.add.at(selection, (landing % outputs, source, tap), 1.0)
    else:
        inside = (landing >= 0) & (landing < outputs)
        selection[landing[inside], source[inside], tap[inside]] = 1.0
    return selection
