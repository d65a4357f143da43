"""Checkpoints of a recovery: tensors and plain facts in one safetensors file; no pickle, never half a file."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

_FACTS = "flatfield"


def save_state(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write tensors and facts beside `path`, then rename."""
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            file.write(save(plain, {_FACTS: json.dumps(facts)}))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def load_state(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save_state` wrote; raises `ValueError` for any other file.

    >>> import tempfile, torch
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_state(Path(folder, "s.safetensors"), {"w": torch.ones(2)}, {"step": 3})
    ...     load_state(Path(folder, "s.safetensors"))
    ({'w': tensor([1., 1.])}, {'step': 3})
    """
    try:
        with safe_open(path, "pt") as file:
            facts = json.loads((file.metadata() or {})[_FACTS])
            return {name: file.get_tensor(name) for name in file.keys()}, facts  # noqa: SIM118 - no mapping
    except (SafetensorError, KeyError, ValueError) as error:
        raise ValueError(f"{path} is no checkpoint of a recovery ({error}): move it away to start anew") from None


def fingerprint(tensors: Mapping[str, Tensor]) -> str:
    """Tell states apart: eight hexadecimal digits of names and numbers.

    >>> import torch
    >>> fingerprint({"w": torch.ones(2)}) == fingerprint({"w": torch.zeros(2)})
    False
    """
    total = 0
    for name, tensor in tensors.items():
        kept = tensor.detach().cpu().contiguous().flatten()
        total = zlib.crc32(kept.view(torch.uint8).numpy().tobytes(), zlib.crc32(name.encode(), total))
    return f"{total:08x}"
