"""Memory layout: which one PyTorch would give the output of a convolution."""

from __future__ import annotations

import torch
from torch import Tensor


def memory_format(x: Tensor, weight: Tensor) -> torch.memory_format:
    """Give channels_last if `x` or `weight` is laid out so (and in no other way), else the ordinary one.

    >>> x = torch.zeros(1, 2, 3, 3)
    >>> memory_format(x.to(memory_format=torch.channels_last), x)
    torch.channels_last
    """
    if not torch.compiler.is_compiling() and torch._C._functorch.peek_interpreter_stack() is not None:
        return torch.contiguous_format  # a transform's tensors can't be asked
    last = {4: torch.channels_last, 5: torch.channels_last_3d}.get(x.dim())
    if last is not None and any(not t.is_contiguous() and t.is_contiguous(memory_format=last) for t in (x, weight)):
        return last
    return torch.contiguous_format
