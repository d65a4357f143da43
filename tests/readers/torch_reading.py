"""Small PyTorch modules for the reader's tests, and what it says of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from flatfield.network import Layer, Network, Operator
from flatfield.readers.pytorch import read_module


class Calling(nn.Module):
    """A module that is one function."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: Tensor) -> Any:
        return self.function(*inputs)


class Between(nn.Module):
    """A convolution, something in between, a convolution: `before` and `after` are their names."""

    def __init__(self, middle: Callable[[Tensor], Tensor], dims: int = 2, channels: int = 4, out: int = 4) -> None:
        super().__init__()
        make = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[dims - 1]
        self.before, self.after = make(4, channels, 3, padding=1), make(out, 2, 3, padding=1)
        self.middle = middle

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.after(self.middle(self.before(x)))
        return result


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def read(module: nn.Module | Callable[..., Any], *inputs: Tensor, **options: Any) -> Network:
    """Read a module that must be understood to the last operator."""
    network = read_module(module if isinstance(module, nn.Module) else Calling(module), inputs, **options)
    assert network.unread == ()
    return network


def tensor_of(layer: Layer) -> Tensor:
    """The weight of a layer, which must be readable."""
    assert layer.weight is not None
    return torch.from_numpy(np.array(layer.weight.load())).float()


def only(network: Network, operator: Operator) -> Layer:
    """The one layer of an operator."""
    found = [layer for layer in network.layers if layer.operator == operator]
    assert len(found) == 1, [(layer.name, layer.operator) for layer in network.layers]
    return found[0]


def middle_of(module: Between, size: tuple[int, ...]) -> Layer:
    """The one layer between the two convolutions, which must be wired to both."""
    network = read(module, noise(1, 4, *size))
    before, middle, after = network.layers
    assert (before.name, after.name, network.outputs) == ("before", "after", ("after",))
    assert (middle.inputs, after.inputs) == (("before",), (middle.name,))
    assert middle.input_size == before.output_size
    assert middle.output_size == after.input_size
    return middle
