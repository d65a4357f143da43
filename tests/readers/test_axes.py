"""Axes followed through reshapes and permutations, against an array of the very numbers they count."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st

from flatfield.readers import axes as ax
from flatfield.readers.axes import Atom, Axes

Numbers = npt.NDArray[np.intp]


def indices(axes: Axes, number: int) -> Numbers:
    """What the digits of one original index say at every place: an array of the shape of the axes."""
    shape = ax.shape(axes)
    total = np.zeros(shape, dtype=np.intp)
    for place, axis in enumerate(axes):
        along = np.zeros(1, dtype=np.intp)
        for atom in axis:
            step = atom.stride if atom.number == number else 0
            along = np.add.outer(along, np.arange(atom.size) * step).ravel()
        total += along.reshape([-1 if i == place else 1 for i in range(len(shape))])
    return total


def originals(shape: tuple[int, ...]) -> tuple[Axes, list[Numbers]]:
    return ax.image_axes(shape), [np.broadcast_to(g, shape) for g in np.indices(shape)]


@st.composite
def programs(draw: st.DrawFn) -> tuple[tuple[int, ...], list[tuple[str, tuple[int, ...]]]]:
    """A shape, and views and permutations that it can go through."""
    start = tuple(draw(st.lists(st.sampled_from([1, 2, 3, 4, 6]), min_size=2, max_size=4)))
    shape, steps = start, []
    for _ in range(draw(st.integers(1, 4))):
        if draw(st.booleans()):
            order = tuple(draw(st.permutations(range(len(shape)))))
            steps.append(("permute", order))
            shape = tuple(shape[i] for i in order)
        else:
            factors = [p for n in shape for p in _factors(n)]
            cuts = sorted(draw(st.sets(st.integers(1, max(1, len(factors) - 1)), max_size=3)))
            pieces = [factors[a:b] for a, b in zip([0, *cuts], [*cuts, len(factors)], strict=True)]
            shape = tuple(math.prod(piece) for piece in pieces)
            steps.append(("reshape", shape))
    return start, steps


def _factors(n: int) -> list[int]:
    return {1: [], 2: [2], 3: [3], 4: [2, 2], 6: [2, 3]}.get(n) or ([n] if n > 1 else [])


@given(programs())
@settings(max_examples=300, deadline=None)
def test_digits_say_where_every_entry_came_from(
    program: tuple[tuple[int, ...], list[tuple[str, tuple[int, ...]]]],
) -> None:
    start, steps = program
    axes, truth = originals(start)
    numbers = [axis[0].number if axis else -1 for axis in axes]
    followed: Axes | None = axes
    for kind, what in steps:
        if followed is None:
            break
        truth = [t.transpose(what) if kind == "permute" else t.reshape(what) for t in truth]
        followed = tuple(followed[i] for i in what) if kind == "permute" else ax.reshape(followed, what)
    if followed is not None:  # lost is allowed, wrong is not
        assert ax.shape(followed) == truth[0].shape
        for number, expected in zip(numbers, truth, strict=True):
            np.testing.assert_array_equal(indices(followed, number), expected if number >= 0 else 0)


def test_a_cut_along_the_digits_is_always_followed() -> None:
    axes = ax.image_axes((2, 12, 6, 4))
    assert ax.reshape(axes, (2, 3, 2, 2, 6, 4)) is not None
    assert ax.reshape(axes, (2, 12, 24)) is not None
    assert ax.reshape(axes, (2, 12, 8, 3)) is None


def test_a_tensor_taken_apart_and_put_together_is_the_same() -> None:
    axes = ax.image_axes((2, 12, 6, 4))
    apart = ax.reshape(axes, (2, 3, 4, 3, 2, 2, 2))
    assert apart is not None
    assert ax.reshape(apart, (2, 12, 6, 4)) == axes


def test_the_operand_that_knows_most_names_an_axis() -> None:
    picture, table, scale = ax.image_axes((2, 3, 4, 4)), ax.constant_axes((4, 4)), ax.constant_axes((3, 1, 1))
    assert ax.broadcast([table, scale, picture], (2, 3, 4, 4)) == picture
    wide = ax.broadcast([ax.image_axes((2, 3, 1, 4)), ax.constant_axes((5, 1))], (2, 3, 5, 4))
    assert [axis[0].role for axis in wide] == ["batch", "channel", "constant", "space"]


def test_channels_lose_their_names_and_keep_their_places() -> None:
    axes = ax.image_axes((2, 6, 4))
    renamed = ax.anonymous_channels(axes)
    assert (renamed[0], renamed[2]) == (axes[0], axes[2])
    assert renamed[1][0].number != axes[1][0].number
    assert ax.shape(renamed) == (2, 6, 4)


def test_neighbouring_digits_join_and_others_do_not() -> None:
    high, low = Atom(0, "space", 12, 4, 3), Atom(0, "space", 12, 1, 4)
    assert ax.join([high, low]) == (Atom(0, "space", 12, 1, 12),)
    assert ax.join([low, high]) == (low, high)
    assert high.whole is False
    assert ax.space_axes(((high,), (), (low,))) == [0, 2]
