"""Read what `package.module:factory` returns: a PyTorch module made by somebody else's code."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from flatfield.network import Network
from flatfield.readers.errors import UnreadableError
from flatfield.readers.input_spec import InputSpec
from flatfield.readers.pytorch import read_module

_T = TypeVar("_T")


def read_factory(target: str, inputs: Sequence[InputSpec] = (), *, fake: bool = False) -> Network:
    """Import `package.module:factory`, call it, and read the module on example inputs.

    Whatever the foreign code raises becomes one `UnreadableError`.
    """
    module, positional, keywords = load_factory(target, inputs)
    return guarded(target, lambda: read_module(module, positional, keywords=keywords, target=target, fake=fake))


def load_factory(target: str, inputs: Sequence[InputSpec] = ()) -> tuple[nn.Module, tuple[Any, ...], dict[str, Any]]:
    """Import `package.module:factory` and call it; gives the module with positional and keyword inputs.

    Inputs are those given, or what an `example_inputs()` of the factory or of the module returns: a tensor, a
    tuple, or a dict of keyword arguments.
    """
    factory, module = _import(target)
    if not isinstance(module, nn.Module):
        raise UnreadableError(
            f"{target} gave {type(module).__name__}, not a torch.nn.Module; name a callable that returns one"
        )
    own = getattr(factory, "example_inputs", None) or getattr(module, "example_inputs", None)
    positional: tuple[Any, ...] = ()
    keywords: dict[str, Any] = {}
    if inputs:
        tensors = make_tensors(inputs)
        positional = tuple(t for spec, t in zip(inputs, tensors, strict=True) if not spec.name)
        keywords = {spec.name: t for spec, t in zip(inputs, tensors, strict=True) if spec.name}
    elif callable(own):
        example = guarded(target, own)
        if isinstance(example, dict):
            keywords = example
        else:
            positional = tuple(example) if isinstance(example, list | tuple) else (example,)
    else:
        raise UnreadableError(
            f"{target}: no example input; give --input 1x3x64x64, or give the factory an example_inputs()"
        )
    return module, positional, keywords


def _import(target: str) -> tuple[Any, Any]:
    module_name, _, attribute = target.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)  # as pytest and uvicorn do: a person's own file in this folder is importable

    def look_up() -> Any:
        owner: Any = importlib.import_module(module_name)
        for name in attribute.split("."):
            owner = getattr(owner, name)
        return owner

    factory = guarded(target, look_up, cure="check the spelling, and start where Python can import it")
    if isinstance(factory, nn.Module):
        return factory, factory
    return factory, guarded(target, factory, cure="see that it runs without arguments") if callable(
        factory
    ) else factory


def guarded(
    target: str, call: Callable[[], _T], *, cure: str = "see that it runs in Python, or give other inputs with --input"
) -> _T:
    """Call somebody else's code; whatever it raises becomes one line, and what it prints stays out of the report."""
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return call()
    except UnreadableError:
        raise
    except (Exception, SystemExit) as error:
        reason = " ".join(str(error).split()) or "no message"
        raise UnreadableError(f"{target}: {type(error).__name__}: {reason[:300]}; {cure}") from error


def make_tensors(specs: Sequence[InputSpec]) -> tuple[torch.Tensor, ...]:
    """Make example tensors of the given shapes: normal noise of a fixed seed, zeros for whole numbers."""
    generator = torch.Generator().manual_seed(0)

    def make(spec: InputSpec) -> torch.Tensor:
        dtype: torch.dtype = getattr(torch, spec.dtype)
        if not dtype.is_floating_point:
            return torch.zeros(spec.shape, dtype=dtype)
        return torch.randn(spec.shape, generator=generator).to(dtype)

    def one(spec: InputSpec) -> torch.Tensor:
        shape = "x".join(map(str, spec.shape))
        return guarded(f"--input {shape}", lambda: make(spec), cure="give a smaller shape")

    return tuple(one(spec) for spec in specs)
