"""The definition of resize-convolution, spelled with PyTorch's own functions and nothing of flatfield's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

CONVOLUTION = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


def _composition(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    scale: int | float | Sequence[int] = 2,
    mode: str = "nearest",
    padding: str | int = "same",
    padding_mode: str = "zeros",
    groups: int = 1,
    **options: Any,
) -> Tensor:
    up = F.interpolate(x, scale_factor=scale, mode=mode, **options)
    pads = []
    for k in reversed(weight.shape[2:]):
        total = {"same": k - 1, "valid": 0}.get(padding)
        pads += [padding, padding] if total is None else [total // 2, total - total // 2]
    padded = F.pad(up, pads, mode={"zeros": "constant"}.get(padding_mode, padding_mode)) if any(pads) else up
    return CONVOLUTION[weight.dim() - 2](padded, weight, bias, groups=groups)


@pytest.fixture(scope="session")
def composition() -> Callable[..., Tensor]:
    return _composition


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(20161017)
