"""Folded weights, kept until the weight they were folded from changes."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from torch import Tensor


class Kept:
    """A memory of one tensor made from a weight, good as long as nobody writes to the weight.

    A weight is known by identity, place in memory and version counter, so optimiser steps, `load_state_dict`
    and `copy_` are seen. What is written through `weight.data` moves no counter and is not: call `clear`
    (`Module.train` and `Module.eval` of flatfield's layers do). Copies and pickles start empty.

    >>> import torch
    >>> kept, weight = Kept(), torch.ones(2)
    >>> kept.get(weight, "sum", lambda: weight.sum()), kept.get(weight, "sum", lambda: torch.zeros(()))
    (tensor(2.), tensor(2.))
    >>> _ = weight.mul_(3)
    >>> kept.get(weight, "sum", lambda: weight.sum())
    tensor(6.)
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget."""
        self._weight: weakref.ref[Tensor] | None = None
        self._state: tuple[Any, ...] = ()
        self._made: Tensor | None = None

    def get(self, weight: Tensor, key: Any, make: Callable[[], Tensor]) -> Tensor:
        """Give what `make` makes of `weight`; make it anew if the weight or `key` is not the last one's."""
        if weight.is_inference():  # has no version counter
            return make()
        state = (key, weight.data_ptr(), weight._version, weight.dtype, weight.device)
        same = self._weight is not None and self._weight() is weight
        if self._made is None or not same or state != self._state:
            self._made, self._weight, self._state = make(), weakref.ref(weight), state
        return self._made

    def __deepcopy__(self, memo: dict[int, Any]) -> Kept:
        return Kept()

    def __reduce__(self) -> tuple[type[Kept], tuple[()]]:
        return (Kept, ())
