"""Checkpoints: a training's whole state in one file that is either the old one or the new one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric


def save_checkpoint(path: Path, state: dict[str, Any], fabric: Fabric) -> None:
    """Write the state of process 0 beside `path`, then rename; the others wait."""
    if fabric.is_global_zero:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        with part.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    fabric.barrier()


def load_checkpoint(path: Path | None, fabric: Fabric) -> dict[str, Any] | None:
    """Read a saved state, None where there is none; only tensors and plain values are accepted."""
    if path is None or not fabric.broadcast(path.exists()):
        return None
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state
