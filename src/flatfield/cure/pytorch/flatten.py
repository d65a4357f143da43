"""Flatten: every planned layer confined to flat weights, the nearest to its own."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import torch
import torch.utils._pytree
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor
from torch.nn.utils import parametrize

from flatfield.cure.examples import Examples, Progress
from flatfield.cure.pytorch.found import Found, find
from flatfield.cure_report import CurePlan
from flatfield.nn import bake
from flatfield.nn.flat_weight import FlatWeight
from flatfield.nn.flatten import flatten_subpixel, flatten_transposed


def flatten(
    plan: CurePlan, module: nn.Module, examples: Examples, progress: Progress
) -> tuple[nn.Module, tuple[str, ...]]:
    """Give every layer of the plan the nearest flat weights, on a copy, and keep them flat in training.

    The constraint is a parametrisation of PyTorch's; `baked` takes it off. Raises `ValueError` for a layer that can't
    be changed. Source: the design, section 3; Sugawara, Shiota & Kiya 2018.
    """
    cured = copied(module)
    places = find(plan, cured, examples)
    for place, found in enumerate(places):
        progress("flattening", place, len(places))
        constrain(found)
    progress("flattening", len(places), len(places))
    return cured, ()


def copied(module: nn.Module) -> nn.Module:
    """Copy a module with all its tensors; `ValueError` for one that PyTorch can't copy."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # PyTorch's own, about the specs of an exported program
            return copy.deepcopy(module, _numberless(module))
    except RuntimeError as error:  # a weight that a hook has computed, say
        reason = " ".join(str(error).split())
        raise ValueError(
            f"{type(module).__name__} can't be copied: {reason[:200]}; take such hooks off first"
        ) from None


def _numberless(module: nn.Module) -> dict[int, Any]:
    """Tensors without numbers that an exported program notes beside its operators: they are shared, not copied."""
    kept: dict[int, Any] = {}
    for part in module.modules():
        nodes = [*getattr(part, "input_placeholders", ())]
        for graph in (getattr(part, "graph", None), *(node.graph for node in nodes if isinstance(node, torch.fx.Node))):
            for node in graph.nodes if isinstance(graph, torch.fx.Graph) else ():
                leaves = torch.utils._pytree.tree_leaves(list(node.meta.values()))
                kept |= {id(leaf): leaf for leaf in leaves if isinstance(leaf, FakeTensor)}
    return kept


def constrain(found: Found) -> None:
    """Confine the weight of one layer to the flat ones."""
    layer = found.layer
    if layer.operator == "ConvTranspose":
        flatten_transposed(found.module, layer.kernel, layer.stride, layer.dilation)
    else:
        flatten_subpixel(found.module, layer.kernel, layer.stride, layer.dilation)


@torch.no_grad()
def baked(module: nn.Module) -> nn.Module:
    """Take the constraint off a copy and leave the flat weights, worked out in double precision.

    >>> layer = flatten_transposed(nn.ConvTranspose1d(1, 1, 3, stride=2, bias=False), (3,), (2,), (1,))
    >>> weight = baked(layer).weight.double()
    >>> bool((weight[0, 0, 0::2].sum() - weight[0, 0, 1]).abs() < 1e-7)
    True
    """
    plain = copied(module)
    exact: list[tuple[nn.Module, torch.Tensor]] = []
    for part in plain.modules():
        chain = parametrize.is_parametrized(part, "weight") and list(part.parametrizations["weight"])  # type: ignore[index]
        if chain and len(chain) == 1 and isinstance(chain[0], FlatWeight):
            original = part.parametrizations["weight"].original  # type: ignore[index,union-attr]
            exact.append((part, chain[0](original.double())))
    bake(plain)
    for part, weight in exact:
        part.get_parameter("weight").copy_(weight)
    return plain
