"""Convolutions as nested loops, straight from the formulas: slow, dense, and hard to get wrong."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Places = Sequence[int]


def transposed(
    weight: Array,
    *,
    inputs: Places,
    outputs: Places,
    stride: Places,
    before: Places,
    dilation: Places,
    groups: int,
    torus: bool,
) -> Array:
    """`y[m] = sum over t d = m + p - s n of w[t] x[n]`; on a torus the equation holds modulo the outputs."""
    ins, group_outs = weight.shape[:2]
    group_ins = ins // groups
    dense = np.zeros((group_outs * groups, *outputs, ins, *inputs))
    for m in np.ndindex(*outputs):
        for t in np.ndindex(*weight.shape[2:]):
            n = []
            for axis, period in enumerate(outputs):
                spread = m[axis] + before[axis] - t[axis] * dilation[axis]  # = s n
                n.append((spread % period if torus else spread) / stride[axis])
            if not all(place in range(size) for place, size in zip(n, inputs, strict=True)):
                continue
            for g, i, o in itertools.product(range(groups), range(group_ins), range(group_outs)):
                target = (g * group_outs + o, *m, g * group_ins + i, *(int(place) for place in n))
                dense[target] += weight[(g * group_ins + i, o, *t)]
    return dense.reshape(group_outs * groups * int(np.prod(outputs)), -1)


def convolution(
    weight: Array,
    *,
    inputs: Places,
    outputs: Places,
    stride: Places,
    before: Places,
    dilation: Places,
    groups: int,
    torus: bool,
) -> Array:
    """`y[m] = sum over t of w[t] x[s m + t d - p]`; on a torus the index wraps round the inputs."""
    outs, group_ins = weight.shape[:2]
    group_outs = outs // groups
    dense = np.zeros((outs, *outputs, group_ins * groups, *inputs))
    for m in np.ndindex(*outputs):
        for t in np.ndindex(*weight.shape[2:]):
            n = [stride[a] * m[a] + t[a] * dilation[a] - before[a] for a in range(len(inputs))]
            if torus:
                n = [place % size for place, size in zip(n, inputs, strict=True)]
            elif not all(place in range(size) for place, size in zip(n, inputs, strict=True)):
                continue
            for g, i, o in itertools.product(range(groups), range(group_ins), range(group_outs)):
                target = (g * group_outs + o, *m, g * group_ins + i, *n)
                dense[target] += weight[(g * group_outs + o, i, *t)]
    return dense.reshape(outs * int(np.prod(outputs)), -1)


def shuffle(values: Array, scale: Places) -> Array:
    """Pixel shuffle of (channels * prod(scale), *size), any number of axes, one number at a time."""
    size = values.shape[1:]
    phases = int(np.prod(scale))
    shuffled = np.zeros((values.shape[0] // phases, *(s * n for s, n in zip(scale, size, strict=True))))
    for c, *m in np.ndindex(*shuffled.shape):
        phase = 0
        for place, s in zip(m, scale, strict=True):
            phase = phase * s + place % s
        source = (c * phases + phase, *(place // s for place, s in zip(m, scale, strict=True)))
        shuffled[(c, *m)] = values[source]
    return shuffled
