"""Weights of a finished training: plain arrays that any later measurement can load, never a pickle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn


def save_weights(path: Path, network: nn.Module) -> None:
    """Write a network's state as .npz, beside `path` first, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        np.savez(file, **{name: value.detach().cpu().numpy() for name, value in network.state_dict().items()})
    part.replace(path)


def load_weights(path: Path, network: nn.Module) -> None:
    """Read a state that `save_weights` wrote into a network of the same structure.

    Raises `ValueError` for a file that is missing or no such archive, and for other names or shapes.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            saved = {name: torch.from_numpy(archive[name]) for name in archive.files}
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} can't be read as weights: {error}") from None
    wanted = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in saved.items()}
    if wanted != found:
        differing = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
        raise ValueError(f"{path} holds the weights of another network: {', '.join(differing)} differ")
    network.load_state_dict(saved)
