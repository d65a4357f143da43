"""Promises: what each way to cure must have done, and must have left alone."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import numpy as np

from flatfield.cure.subject import Array, Subject
from flatfield.cure_report import CurePlan, How, OutputChange
from flatfield.network import Network

EXACT = 1e-5
"""How far, relative to their size, outputs may move under a change that computes the same."""
LEVEL = 1e-5
"""Unevenness up to which single-precision weights count as made flat: sums of some hundred taps, each off by 6e-8."""
_FLATTENING: tuple[How, ...] = ("flatten", "recover", "icnr")
_LOCAL: tuple[How, ...] = ("flatten", "resize", "icnr", "blur")
"""Ways that change the planned layers alone."""


class CureError(ValueError):
    """A cure that did not do what its plan says, or did more; nothing is written.

    >>> issubclass(CureError, ValueError)
    True
    """


def check_promises(plan: CurePlan, before: Subject, after: Subject, moved: OutputChange) -> None:
    """Raise `CureError` where the cured model breaks what the plan promises."""
    if plan.how in ("fuse", "unfuse") and moved.relative > EXACT:
        raise CureError(
            f"{plan.how} should compute the same, but moved the outputs by {moved.relative:.1e} of their size "
            f"(allowed {EXACT:.0e}): nothing is written"
        )
    if plan.how in _FLATTENING:
        _check_flat(plan, after.network)
    if plan.how == "resize":
        _check_replaced(plan, before.network, after.network)
    if plan.how in (*_LOCAL, "correct"):
        _check_others(plan, before, after)


def _check_flat(plan: CurePlan, network: Network) -> None:
    known = {layer.name: layer.unevenness for layer in network.layers}
    for step in plan.steps:
        if step.layer not in known:
            raise CureError(f"{step.layer} is in the plan but no longer in the model: nothing is written")
        left = known[step.layer]
        if left is None or left > LEVEL:
            told = "unknown" if left is None else f"{left:.2g}"
            raise CureError(f"{step.layer} should be flat now, but its unevenness is {told}: nothing is written")


def _check_replaced(plan: CurePlan, before: Network, after: Network) -> None:
    planned = {step.layer for step in plan.steps}
    left = [layer.name for layer in after.layers if layer.name in planned and layer.operator == "ConvTranspose"]
    if left:
        raise CureError(f"{left[0]} should be a resize-convolution now, but is what it was: nothing is written")


def _check_others(plan: CurePlan, before: Subject, after: Subject) -> None:
    """What the plan does not name keeps every number."""
    # blur swaps what is around a weight and changes none
    planned = {step.layer.partition("#")[0]: step.operator for step in plan.steps if plan.how != "blur"}
    old, new = before.state(), after.state()
    for name in old.keys() & new.keys():
        layer, _, kind = name.rpartition(".")
        # the bias of a transposed convolution is the same in every phase as it is
        mine = layer in planned and not (kind == "bias" and planned[layer] == "ConvTranspose")
        if not mine and not np.array_equal(old[name], new[name], equal_nan=old[name].dtype.kind == "f"):
            raise CureError(f"{name} has changed, which the plan does not name: nothing is written")


def digests(state: Mapping[str, Array]) -> dict[str, int]:
    """Give every array of a state a number that changes with it: a view of the model would change with the model.

    >>> digests({"w": np.ones(2)}) == digests({"w": np.zeros(2)})
    False
    """
    return {name: zlib.crc32(np.ascontiguousarray(array).tobytes()) for name, array in state.items()}


def check_original(before: Mapping[str, int], state: Mapping[str, Array]) -> None:
    """Raise `CureError` where the original itself has changed; `before` are its digests from before the cure."""
    now = digests(state)
    changed = [name for name in sorted(before.keys() | now.keys()) if before.get(name) != now.get(name)]
    if changed:
        raise CureError(f"the original's {changed[0]} was changed by the cure: nothing is written")
