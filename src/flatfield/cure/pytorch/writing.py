"""Writing: a cured module as an exported program and a safetensors state, as bytes."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from flatfield.cure.promises import CureError
from flatfield.readers.visit import eval_mode, map_tensors, tensors_in

_SAME = 1e-4


def program_bytes(module: nn.Module, inputs: tuple[Any, ...], keywords: Mapping[str, Any]) -> bytes:
    """Export a module in evaluation mode; read back and run, it gives what the module gives.

    Sizes are left open where the module allows it, for batches of more than one too; otherwise they are those of the
    inputs. Raises `CureError` where the module can't be exported, or the program computes something else.
    """
    reason = ""
    with eval_mode(module), torch.no_grad(), _quiet():
        wanted = [tensor.clone() for tensor in tensors_in(module(*inputs, **keywords))]
        for attempt in (_open_sizes, _fixed_sizes):
            try:
                data = _saved(attempt(module, inputs, dict(keywords)))
                if _same(data, inputs, keywords, wanted):
                    return data
                reason = reason or "the exported program computes something else"
            except Exception as error:  # the exporter raises whatever its parts raise
                reason = " ".join(str(error).split())[:300] or type(error).__name__
    raise CureError(f"{type(module).__name__} can't be exported to .pt2: {reason}; take the module from the Python API")


def state_bytes(module: nn.Module, facts: Mapping[str, str]) -> bytes:
    """Write a module's state dict as safetensors, with a few facts as its metadata; tied tensors are written twice."""
    state = {name: value for name, value in module.state_dict().items() if isinstance(value, Tensor)}
    return save({name: value.detach().cpu().contiguous().clone() for name, value in state.items()}, dict(facts))


def _open_sizes(module: nn.Module, inputs: tuple[Any, ...], keywords: dict[str, Any]) -> ExportedProgram:
    """Export with open sizes, on a batch of two: a size of one is always taken as fixed."""
    sizes = {tensor.shape[:1] for tensor in tensors_in((inputs, keywords))}
    if sizes == {torch.Size([1])}:
        inputs, keywords = map_tensors((inputs, keywords), lambda t: torch.cat([t, t]))
    shapes = map_tensors((inputs, keywords), lambda t: dict.fromkeys(range(t.dim()), Dim.AUTO))
    positional, named = (map_tensors(tree, lambda t: t.clone()) for tree in (inputs, keywords))
    return torch.export.export(
        module, positional, named, dynamic_shapes=(*_constant(shapes[0]), *_constant(tuple(shapes[1].values())))
    )


def _constant(shapes: tuple[Any, ...]) -> tuple[Any, ...]:
    """What is no tensor has no sizes."""
    return tuple(shape if isinstance(shape, dict | list | tuple) else None for shape in shapes)


def _fixed_sizes(module: nn.Module, inputs: tuple[Any, ...], keywords: dict[str, Any]) -> ExportedProgram:
    return torch.export.export(module, inputs, keywords)


def _saved(program: ExportedProgram) -> bytes:
    file = io.BytesIO()
    torch.export.save(program, file)
    return file.getvalue()


def _same(data: bytes, inputs: tuple[Any, ...], keywords: Mapping[str, Any], wanted: list[Tensor]) -> bool:
    """Read the program back, and hold what it computes against what the module does."""
    found = list(tensors_in(torch.export.load(io.BytesIO(data)).module()(*inputs, **keywords)))
    return len(found) == len(wanted) and all(
        one.shape == other.shape and _near(one, other) for one, other in zip(found, wanted, strict=True)
    )


def _near(one: Tensor, other: Tensor) -> bool:
    if not other.is_floating_point():
        return bool(torch.equal(one, other))
    size = float(other.abs().max()) if other.numel() else 0.0
    return bool(torch.allclose(one, other, rtol=0.0, atol=_SAME * (size or 1.0), equal_nan=True))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's own warnings and log out of the way: what matters is in the error."""
    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
