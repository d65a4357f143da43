"""Targets: from what a person names (a file, an import path, an example) to a Network.

A framework is imported only when a target of its kind is opened.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flatfield.network import Network
from flatfield.readers.errors import UnreadableError
from flatfield.readers.input_spec import InputSpec

_PICKLES = (".pt", ".pth", ".ckpt", ".pkl", ".bin", ".joblib")
_FACTORY = re.compile(r"\w+(\.\w+)*:\w+(\.\w+)*")
_KINDS = "a target is FILE.onnx, FILE.pt2, package.module:factory or example:NAME"


@dataclass(frozen=True)
class Opened:
    """A target that has been read, and what it takes to run it: a PyTorch module or the path of an ONNX file."""

    network: Network
    model: Any
    inputs: tuple[Any, ...] = ()
    keywords: dict[str, Any] = field(default_factory=dict)


def open_target(target: str, inputs: Sequence[InputSpec] = (), *, fake: bool = False) -> Network:
    """Read the network behind `target`: `.onnx`, `.pt2`, `example:NAME` or `package.module:factory`.

    Raises `UnreadableError` in one line: what, why, and what to do.
    """
    return open_model(target, inputs, fake=fake).network


def open_model(target: str, inputs: Sequence[InputSpec] = (), *, fake: bool = False) -> Opened:
    """Read the network behind `target` and keep the model, so that it can be run too.

    Raises `UnreadableError` in one line: what, why, and what to do.
    """
    path = Path(target)
    suffix = path.suffix.lower()
    if target.startswith("example:"):
        return _open_example(target, inputs, fake)
    if suffix == ".onnx":
        return _open_onnx(path, inputs)
    if suffix == ".pt2":
        return _open_exported(path, inputs, fake)
    if suffix in _PICKLES:
        raise UnreadableError(
            f"{target}: a pickle can run code when it is loaded, so flatfield never loads one; "
            "export the model to .onnx or .pt2, or name its factory as package.module:factory"
        )
    if _FACTORY.fullmatch(target) and not path.exists():
        return _open_factory(target, inputs, fake)
    if not path.exists():
        raise UnreadableError(f"{target}: no such file; {_KINDS}")
    raise UnreadableError(f"{target}: not a kind of model that flatfield reads; {_KINDS}")


def _open_onnx(path: Path, inputs: Sequence[InputSpec]) -> Opened:
    _require("onnx", "onnx")
    from flatfield.readers.onnx import read_onnx

    named = {spec.name: spec.shape for spec in inputs if spec.name}
    in_order = [spec.shape for spec in inputs if not spec.name]
    if named and in_order:
        raise UnreadableError(f"{path}: some --input have a name and some have none; name all of them, or none")
    network = read_onnx(path, inputs=named or in_order)
    return Opened(network, path, network.inputs)


def _open_exported(path: Path, inputs: Sequence[InputSpec], fake: bool) -> Opened:
    _require("torch", "torch")
    from flatfield.readers.exported import load_exported, read_loaded
    from flatfield.readers.factory import make_tensors

    module, positional, keywords = load_exported(path, make_tensors(inputs))
    return Opened(read_loaded(path, module, positional, keywords, fake=fake), module, positional, keywords)


def _open_factory(target: str, inputs: Sequence[InputSpec], fake: bool) -> Opened:
    _require("torch", "torch")
    from flatfield.readers.factory import guarded, load_factory
    from flatfield.readers.pytorch import read_module

    module, positional, keywords = load_factory(target, inputs)
    network = guarded(target, lambda: read_module(module, positional, keywords=keywords, target=target, fake=fake))
    return Opened(network, module, positional, keywords)


def _open_example(target: str, inputs: Sequence[InputSpec], fake: bool) -> Opened:
    _require("torch", "torch")
    from flatfield import examples
    from flatfield.readers.factory import guarded, make_tensors
    from flatfield.readers.pytorch import read_module

    try:
        example = examples.load(target.removeprefix("example:"))
    except ValueError as error:
        raise UnreadableError(f"{target}: {error}") from None
    tensors = make_tensors(inputs) or example.inputs
    network = guarded(target, lambda: read_module(example.module, tensors, target=target, fake=fake))
    return Opened(network, example.module, tuple(tensors))


def _require(module: str, extra: str) -> None:
    if importlib.util.find_spec(module) is None:
        raise UnreadableError(f"this target needs {module}, which is not installed; pip install 'flatfield[{extra}]'")
