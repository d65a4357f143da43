"""Visit: what running somebody else's module with care takes, whatever is noted or changed on the way.

Its modes are put back, no hook stays on it, and the running module's path is known at every operator.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn
from torch._ops import OpOverload
from torch.nn.modules import module as module_hooks
from torch.utils._python_dispatch import TorchDispatchMode

Path = list[tuple[str, bool]]
"""Dotted names of the modules that are running, innermost last, each with whether it has children."""


_PLAIN = frozenset((bool, int, float, str, torch.dtype, torch.device, torch.layout, torch.memory_format))


class Watching(TorchDispatchMode):
    """A dispatch mode that looks on and compiles nothing."""

    def __init__(self) -> None:
        TorchDispatchMode.__init__(self)

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Not asking the compiler to skip this mode saves importing the compiler, a second or more."""
        return False


def plain_name(func: OpOverload) -> str:
    """`aten::relu_` -> `relu`: an operator in place is the same operator."""
    name = func._schema.name.split("::")[-1]
    return name.removesuffix("_") if not name.endswith("__") else name


def place(path: Path, operator: str) -> str:
    """Name a layer by its module; an operator called by a module with children also by what it is."""
    name, has_children = path[-1] if path else ("", True)
    return ".".join(filter(None, (name, operator))) if has_children or not name else name


def tensors_in(tree: Any) -> Iterator[torch.Tensor]:
    """Walk the tensors of nested tuples, lists, dicts and dataclasses, such as a model's output."""
    if isinstance(tree, torch.Tensor):
        yield tree
    elif tree is None or type(tree) in _PLAIN:  # asked at every operator: what is most frequent comes first
        return
    elif isinstance(tree, list | tuple):
        for branch in tree:
            yield from tensors_in(branch)
    elif isinstance(tree, Mapping):
        for branch in tree.values():
            yield from tensors_in(branch)
    elif dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        for field in dataclasses.fields(tree):
            yield from tensors_in(getattr(tree, field.name))


def map_tensors(tree: Any, function: Any) -> Any:
    """Put `function(tensor)` in the place of every tensor of nested tuples, lists and dicts."""
    return torch.utils._pytree.tree_map_only(torch.Tensor, function, tree)


@contextlib.contextmanager
def eval_mode(module: nn.Module) -> Iterator[None]:
    """Run a module and its children in evaluation mode; each gets its own mode back."""
    modes = {child: child.training for child in module.modules()}
    try:
        module.eval()
        yield
    finally:
        for child, training in modes.items():
            child.training = training


@contextlib.contextmanager
def module_paths(root: nn.Module, path: Path) -> Iterator[None]:
    """Keep the path of the running module on top of `path`, through hooks that are PyTorch's, not the module's."""
    names = {
        child: (name, any(n != "parametrizations" for n, _ in child.named_children()))
        for name, child in root.named_modules()
    }

    def enter(child: nn.Module, _: Any) -> None:
        path.append(names.get(child, path[-1] if path else ("", True)))

    def leave(child: nn.Module, _: Any, __: Any) -> None:
        path.pop()

    first = module_hooks.register_module_forward_pre_hook(enter)
    last = module_hooks.register_module_forward_hook(leave, always_call=True)
    try:
        yield
    finally:
        first.remove()
        last.remove()
