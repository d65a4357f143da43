"""CircularPads: circular padding made by the network itself."""

from __future__ import annotations

from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary


class CircularPads(TorchFunctionMode):
    """Circular padding by the network itself: made of slices further down, so caught where it still has its name.

    A tensor of the flat field (in `known`) is padded as any other padding does. With `looking_on` it is padded as the
    network asks, and the result is as well known as the tensor was; `met` says whether there was any.
    """

    def __init__(self, known: WeakTensorKeyDictionary, *, looking_on: bool = False) -> None:
        super().__init__()
        self.known = known
        self.looking_on = looking_on
        self.met = False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Look on, and pad what comes from the flat field."""
        kwargs = kwargs or {}
        if func in (torch.nn.functional.pad, torch._C._nn.pad):
            named = {**dict(zip(("input", "pad", "mode", "value"), args, strict=False)), **kwargs}
            if named.get("mode") == "circular":
                self.met = True
                if named["input"] in self.known:
                    if not self.looking_on:
                        return torch.nn.functional.pad(named["input"], named["pad"], mode="replicate")
                    result = func(*args, **kwargs)
                    self.known[result] = self.known[named["input"]]
                    return result
        return func(*args, **kwargs)
