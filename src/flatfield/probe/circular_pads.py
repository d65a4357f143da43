"""CircularPads: circular padding made by the network itself."""

from __future__ import annotations

from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from flatfield.probe.torus import Torus


class CircularPads(TorchFunctionMode):
    """Circular padding by the network itself: made of slices further down, so caught where it still has its name."""

    def __init__(self, torus: Torus) -> None:
        super().__init__()
        self.torus = torus

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Let a tensor of the flat field be padded as any other padding is."""
        kwargs = kwargs or {}
        if func in (torch.nn.functional.pad, torch._C._nn.pad):
            named = {**dict(zip(("input", "pad", "mode", "value"), args, strict=False)), **kwargs}
            if named.get("mode") == "circular" and named["input"] in self.torus.known:
                return torch.nn.functional.pad(named["input"], named["pad"], mode="replicate")
        return func(*args, **kwargs)
