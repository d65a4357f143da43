"""Found: where in a module the layers of a plan live, or why they can't be changed there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn.utils import parametrize

from flatfield.core import ungroup
from flatfield.core.taps import per_axis
from flatfield.cure.examples import Examples
from flatfield.cure.pytorch.grow import kernel_for
from flatfield.cure.pytorch.subject import numbers
from flatfield.cure_report import CurePlan, CureStep, How, Refusal
from flatfield.network import Layer, Network
from flatfield.nn.blur import blur_kernel
from flatfield.readers.pytorch import read_module

_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_CONVOLUTION = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_POOL = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)
_CLASSES: dict[str, tuple[type[nn.Module], ...]] = {"ConvTranspose": _TRANSPOSED, "Conv": _CONVOLUTION, "Pool": _POOL}
_INSIDE: tuple[How, ...] = ("flatten", "recover", "resize", "icnr", "blur")
"""Ways that change layers where they are."""


@dataclass(frozen=True)
class Found:
    """One layer of a plan: its step, the path and the module that computes it, and its geometry."""

    step: CureStep
    path: str
    module: nn.Module
    layer: Layer


def grounded(plan: CurePlan, module: nn.Module, network: Network) -> CurePlan:
    """Move what can't be changed in this module, with the reason, from the steps of a plan to its refusals."""
    if plan.how not in _INSIDE:
        return plan
    looked = list(_look(plan, module, network))
    steps = tuple(_step(plan, module, found) for found in looked if isinstance(found, Found))
    refused = tuple(found for found in looked if isinstance(found, Refusal))
    return replace(plan, steps=steps, refused=(*plan.refused, *refused))


def _step(plan: CurePlan, module: nn.Module, found: Found) -> CureStep:
    """A kernel grows only where its module can be replaced."""
    if plan.how == "recover" and kernel_for(module, found.module, found.layer) == found.layer.kernel:
        return replace(found.step, action="nearest flat weights, trained")
    return found.step


def find(plan: CurePlan, module: nn.Module, examples: Examples) -> tuple[Found, ...]:
    """Find the layers of a plan in a module; a module that runs twice is found once.

    Raises `ValueError` for a step that can't be done: `grounded` takes such steps out beforehand.
    """
    network = read_module(module, examples.batches[0], keywords=examples.keywords)
    places: dict[str, Found] = {}
    for found in _look(plan, module, network):
        if isinstance(found, Refusal):
            raise ValueError(f"{plan.how} can't change {found.layer}: {found.because}")
        places.setdefault(found.path, found)
    return tuple(places.values())


def put(root: nn.Module, old: nn.Module, new: nn.Module) -> None:
    """Put a module in the place of another, wherever that is registered in `root`.

    >>> tree = nn.Sequential(nn.ReLU())
    >>> put(tree, tree[0], nn.Tanh())
    >>> tree[0]
    Tanh()
    """
    for parent in list(root.modules()):
        for name, child in list(parent._modules.items()):  # named_children leaves out what a parent holds twice
            if child is old:
                setattr(parent, name, new)


def _look(plan: CurePlan, module: nn.Module, network: Network) -> Iterator[Found | Refusal]:
    layers = {layer.name: layer for layer in network.layers}
    planned = {step.layer for step in plan.steps}
    for step in plan.steps:
        layer = layers.get(step.layer)
        path = "" if not list(module.children()) else step.layer.partition("#")[0]
        try:
            owner = module.get_submodule(path)
        except AttributeError:
            owner = None
        because = "it did not run" if layer is None else _reason(plan, owner, layer)
        if owner is not None and layer is not None:
            because = because or _shared(plan, module, path, layer, [x for x in layers.values() if x.name in planned])
            because = because or _runs_otherwise(path, layer, layers)
            if not because:
                yield Found(step, path, owner, layer)
                continue
        yield Refusal(step.layer, step.operator, because)


def _reason(plan: CurePlan, owner: nn.Module | None, layer: Layer) -> str:
    """Why a layer can't be changed where it is; empty where it can."""
    if owner is None:
        return "it is called as a function: no module of its own holds it"
    if plan.how in ("resize", "blur"):
        own = type(owner) in _CLASSES[layer.operator] or (plan.how == "resize" and _exported(owner))
        if not own:
            return f"{type(owner).__name__} may do more than this layer: only PyTorch's own modules are replaced"
        if plan.how == "blur" and (reason := _blur_reason(owner, layer)):
            return reason
    return "" if layer.operator == "Pool" else _parameter_reason(plan, owner, layer)


def _blur_reason(owner: nn.Module, layer: Layer) -> str:
    """Why a blur would change shapes, or has no room."""
    if isinstance(owner, _POOL):
        if owner.ceil_mode or owner.return_indices or set(per_axis(owner.dilation, layer.dims, "dilation")) != {1}:
            return "its ceil_mode, dilation or indices have no like in a blurred pool"
        room = [n + sum(p) - k + 1 for n, p, k in zip(layer.input_size, layer.padding, layer.kernel, strict=True)]
        reach = [len(blur_kernel(s, 3)) // 2 for s in layer.stride]
    else:
        room, reach = list(layer.input_size), [len(blur_kernel(s, 2)) // 2 for s in layer.stride]
    if any(n <= r for n, r in zip(room, reach, strict=True)):
        return f"its input of {layer.input_size} leaves no room for the blur's border"
    return ""


def _parameter_reason(plan: CurePlan, owner: nn.Module, layer: Layer) -> str:
    if parametrize.is_parametrized(owner):
        return "it is parametrised already: take that off first (torch.nn.utils.parametrize.remove_parametrizations)"
    if not isinstance(owner._parameters.get("weight"), nn.Parameter):
        hooked = isinstance(getattr(owner, "weight", None), torch.Tensor)
        return "its weight is computed by a hook: take that off first" if hooked else "no parameter `weight` is its own"
    return "" if plan.how == "blur" else _weight_reason(owner, layer)


def _exported(owner: nn.Module) -> bool:
    """True for a part of an exported program that computes one operator."""
    graph = getattr(owner, "graph", None)
    return isinstance(graph, torch.fx.Graph) and sum(node.op == "call_function" for node in graph.nodes) == 1


def _weight_reason(owner: nn.Module, layer: Layer) -> str:
    own: npt.NDArray[Any] = numbers(owner.get_parameter("weight"))
    if layer.weight is None:
        return "its weights can't be read"
    if layer.operator == "ConvTranspose":
        same = _equal(own, layer.weight.load())
        return "" if same else "what it convolves with is computed: it is not its parameter `weight`"
    if own.ndim != len(layer.kernel) + 2:
        return "it is a linear layer: flatten_weights knows convolutions only"
    whole = ungroup(own, layer.groups) if layer.groups > 1 else own
    bias = owner._parameters.get("bias")
    same = _equal(whole, layer.weight.load())
    if same and bias is not None and layer.bias is not None:
        same = _equal(numbers(bias), layer.bias.load())
    return "" if same else "its channels are shuffled in another order than PyTorch's, or computed"


def _equal(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> bool:
    return one.shape == other.shape and bool(np.array_equal(one, other, equal_nan=True))


def _runs_otherwise(path: str, layer: Layer, layers: dict[str, Layer]) -> str:
    """A module that runs a second time in another role can't be changed for one of them."""
    for other in layers.values():
        if other.name.partition("#")[0] == path and _role(other) != _role(layer):
            return f"its module also runs as {other.name} ({other.operator}), which needs another change"
    return ""


def _shared(plan: CurePlan, module: nn.Module, path: str, layer: Layer, planned: list[Layer]) -> str:
    """A weight that is also another module's can only be changed for both alike."""
    if plan.how == "blur" or layer.operator == "Pool":
        return ""
    mine = {id(p) for p in module.get_submodule(path).parameters(recurse=False)}
    alike = {other.name.partition("#")[0] for other in planned if _role(other) == _role(layer)}
    for name, parameter in module.named_parameters(remove_duplicate=False):
        owner = name.rpartition(".")[0]
        if id(parameter) in mine and owner != path and (owner not in alike or plan.how == "resize"):
            return f"its weight is also {name}, which needs another change" if plan.how != "resize" else (
                f"its weight is also {name}: two resize-convolutions would not share it"
            )  # fmt: skip
    return ""


def _role(layer: Layer) -> tuple[object, ...]:
    return layer.operator, layer.kernel, layer.stride, layer.dilation, layer.groups
