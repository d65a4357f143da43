"""Axes: what every axis of a tensor holds, followed through reshapes and permutations.

An axis is a row of digits, slowest first. A digit (an `Atom`) says which part of which original index it
counts: splitting an axis of 12 into 3 x 4 makes a digit of stride 4 and one of stride 1, and putting them side
by side again gives the axis back. Whoever spells a pixel shuffle, a window partition or a repeated pixel as
view-permute-view is read by the same few rules, in PyTorch as in ONNX.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

Role = Literal["space", "channel", "batch", "copy", "zero", "constant"]
_PREFERENCE: tuple[Role, ...] = ("space", "channel", "batch", "copy", "zero", "constant")
_numbers = itertools.count()


@dataclass(frozen=True)
class Atom:
    """One digit of an original index: it counts `size` steps of `stride` within `total` places."""

    number: int
    role: Role
    total: int
    stride: int
    size: int

    @property
    def whole(self) -> bool:
        """True when the digit is the whole original index."""
        return self.size == self.total


Axis = tuple[Atom, ...]
Axes = tuple[Axis, ...]


def fresh(role: Role, size: int) -> Axis:
    """Name a new axis; an axis of one place holds no digit.

    >>> fresh("space", 1)
    ()
    >>> [(atom.size, atom.role) for atom in fresh("space", 8)]
    [(8, 'space')]
    """
    return () if size == 1 else (Atom(next(_numbers), role, size, 1, size),)


def image_axes(shape: Sequence[int]) -> Axes:
    """Name the axes of a network's input: batch, channel, then space.

    >>> [axis[0].role for axis in image_axes((2, 3, 8, 8))]
    ['batch', 'channel', 'space', 'space']
    """
    roles: tuple[Role, ...] = ("batch", "channel")
    return tuple(fresh(roles[i] if i < 2 else "space", n) for i, n in enumerate(shape))


def constant_axes(shape: Sequence[int]) -> Axes:
    """Name the axes of a parameter or of anything else that does not depend on the input."""
    return tuple(fresh("constant", n) for n in shape)


def size(axis: Axis) -> int:
    """Places on an axis: the product of its digits."""
    return math.prod(atom.size for atom in axis)


def shape(axes: Axes) -> tuple[int, ...]:
    """Places on every axis."""
    return tuple(size(axis) for axis in axes)


def join(atoms: Iterable[Atom]) -> Axis:
    """Put neighbouring digits of one index together again.

    >>> whole = fresh("space", 12)
    >>> join(atom for axis in split(whole, (3, 4)) for atom in axis) == whole
    True
    """
    joined: list[Atom] = []
    for atom in atoms:
        last = joined[-1] if joined else None
        if last and last.number == atom.number and last.stride == atom.stride * atom.size:
            joined[-1] = replace(last, stride=atom.stride, size=last.size * atom.size)
        else:
            joined.append(atom)
    return tuple(joined)


def split(axis: Iterable[Atom], sizes: Sequence[int]) -> Axes | None:
    """Cut a row of digits into axes of the given sizes; None where a cut would go through a digit unevenly.

    >>> [[(a.stride, a.size) for a in part] for part in split(fresh("channel", 12), (3, 4))]
    [[(4, 3)], [(1, 4)]]
    >>> split(fresh("channel", 12), (5, 2)) is None
    True
    """
    digits = list(axis)[::-1]
    parts: list[Axis] = []
    for wanted in sizes:
        part: list[Atom] = []
        room = wanted
        while room > 1:
            if not digits:
                return None
            atom = digits.pop()
            if room % atom.size == 0:
                part.append(atom)
                room //= atom.size
            elif atom.size % room == 0:
                inner = atom.size // room
                part.append(replace(atom, stride=atom.stride * inner, size=room))
                digits.append(replace(atom, size=inner))
                room = 1
            else:
                return None
        parts.append(join(part))
    return None if digits else tuple(parts)


def reshape(axes: Axes, sizes: Sequence[int]) -> Axes | None:
    """Follow a reshape; None where the digits can't be followed.

    >>> axes = image_axes((1, 4, 2, 2))
    >>> shape(reshape(axes, (1, 2, 2, 4)))
    (1, 2, 2, 4)
    """
    return split([atom for axis in axes for atom in axis], sizes)


def broadcast(operands: Sequence[Axes], sizes: Sequence[int]) -> Axes:
    """Name the axes of an elementwise result: on every axis the operand that knows most.

    >>> picture, bias = image_axes((1, 3, 8, 8)), constant_axes((3, 1, 1))
    >>> broadcast([bias, picture], (1, 3, 8, 8)) == picture
    True
    """
    result: list[Axis] = []
    for place, wanted in enumerate(sizes, start=-len(sizes)):
        known = [axes[place] for axes in operands if len(axes) >= -place and size(axes[place]) == wanted]
        known.sort(key=lambda axis: min((_PREFERENCE.index(atom.role) for atom in axis), default=99))
        result.append(known[0] if known else fresh("constant", wanted))
    return tuple(result)


def has_space(axes: Axes) -> bool:
    """True when any digit counts positions."""
    return any(atom.role == "space" for axis in axes for atom in axis)


def space_axes(axes: Axes) -> list[int]:
    """Places of the axes that count positions."""
    return [place for place, axis in enumerate(axes) if any(atom.role == "space" for atom in axis)]


def anonymous_channels(axes: Axes) -> Axes:
    """Forget which layer wrote the channels: their numbers are new, everything else stays."""
    renamed: dict[int, int] = {}
    return tuple(
        tuple(
            replace(atom, number=renamed.setdefault(atom.number, next(_numbers))) if atom.role == "channel" else atom
            for atom in axis
        )
        for axis in axes
    )
