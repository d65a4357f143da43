"""Upsampling that nobody calls by name: views, copies, stacks, and tensors filled through their slices.

Where the reader makes a layer of them, a module of that layer must give the same output.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flatfield.readers.pytorch import read_module

from .torch_reading import Between, Calling, middle_of, noise, only, read, tensor_of


def spelled(order: str, r: int = 2) -> Callable[[Tensor], Tensor]:
    """A pixel shuffle as view, permute, view; `order` names where channel and phases stand among the channels."""

    def shuffle(x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        sizes = {"c": c // r**2, "p": r, "q": r}
        cut = x.view(b, *(sizes[letter] for letter in order), h, w)
        places = [0, 1 + order.index("c"), 4, 1 + order.index("p"), 5, 1 + order.index("q")]
        return cut.permute(places).reshape(b, c // r**2, h * r, w * r)

    return shuffle


@pytest.mark.parametrize("order", ["cpq", "pqc", "pcq", "cqp", "qcp", "qpc"])
def test_every_order_of_a_pixel_shuffle_is_one_sub_pixel_convolution(order: str) -> None:
    module = nn.Sequential(nn.Conv2d(3, 12, 3, padding=1), Calling(spelled(order)))
    x = noise(1, 3, 6, 5)
    layer = only(read(module, x), "SubPixelConv")
    assert (layer.name, layer.stride, layer.kernel, layer.output_size) == ("0", (2, 2), (3, 3), (12, 10))
    assert layer.bias is not None
    bias = torch.from_numpy(np.array(layer.bias.load()))
    expected = F.pixel_shuffle(F.conv2d(x, tensor_of(layer), bias, padding=1), 2)
    torch.testing.assert_close(module(x), expected)


def test_phases_in_front_of_the_positions_are_a_mosaic_and_no_upsampling() -> None:
    def wrong(x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        return x.view(b, c // 4, 2, 2, h, w).permute(0, 1, 2, 4, 3, 5).reshape(b, c // 4, 2 * h, 2 * w)

    network = read_module(Between(wrong, channels=8, out=2), (noise(1, 4, 6, 6),))
    assert [layer.operator for layer in network.layers] == ["Conv", "Conv"]
    assert "in front of the positions" in network.unread[0].reason
    assert len(network.unread) == 1


@pytest.mark.parametrize("groups", [1, 2])
def test_pixel_shuffles_called_by_name(groups: int) -> None:
    module = nn.Sequential(nn.Conv2d(4, 8, 3, padding=1, groups=groups), nn.PixelShuffle(2))
    x = noise(1, 4, 6, 5)
    layer = only(read(module, x), "SubPixelConv")
    assert layer.bias is not None
    bias = torch.from_numpy(np.array(layer.bias.load()))
    torch.testing.assert_close(module(x), F.pixel_shuffle(F.conv2d(x, tensor_of(layer), bias, padding=1), 2))
    alone = only(read(nn.Sequential(nn.ReLU(), nn.PixelShuffle(2)), noise(1, 4, 6, 5)), "PixelShuffle")
    assert (alone.name, alone.unevenness) == ("1", None)
    under = only(read(nn.PixelUnshuffle(2), noise(1, 4, 6, 4)), "PixelUnshuffle")
    assert (under.stride, under.output_size) == ((2, 2), (3, 2))


def test_what_stands_between_a_convolution_and_its_shuffle() -> None:
    convolution = nn.Conv2d(4, 8, 3, padding=1)
    scaled = nn.Sequential(convolution, Calling(lambda x: x * torch.ones(8, 1, 1)), nn.PixelShuffle(2))
    assert [layer.operator for layer in read(scaled, noise(1, 4, 6, 6)).layers] == ["Conv", "PixelShuffle"]
    shifted = nn.Sequential(convolution, Calling(lambda x: x + torch.ones(8, 1, 1)), nn.PixelShuffle(2))
    assert [layer.operator for layer in read(shifted, noise(1, 4, 6, 6)).layers] == ["SubPixelConv"]
    activated = nn.Sequential(convolution, nn.ReLU(), nn.PixelShuffle(2))
    assert [layer.operator for layer in read(activated, noise(1, 4, 6, 6)).layers] == ["SubPixelConv"]


class Unpatchify(nn.Module):
    """The end of a vision transformer: tokens, a linear layer, pixels."""

    def __init__(self, p: int = 4, token: bool = False) -> None:
        super().__init__()
        self.p, self.token = p, token
        self.patch = nn.Conv2d(3, 8, p, stride=p)
        self.block = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.head = nn.Linear(8, p * p * 3)
        self.position = nn.Parameter(torch.randn(1, 12, 8))

    def forward(self, x: Tensor) -> Tensor:
        b, h, w, p = len(x), x.shape[2] // self.p, x.shape[3] // self.p, self.p
        y = self.patch(x).flatten(2).transpose(1, 2) + self.position
        if self.token:
            y = torch.cat([y[:, :1] * 0, y], dim=1)
        y = self.head(self.block(y))
        y = y[:, 1:] if self.token else y
        return torch.einsum("nhwpqc->nchpwq", y.reshape(b, h, w, p, p, 3)).reshape(b, 3, h * p, w * p)


@pytest.mark.parametrize("token", [False, True])
@pytest.mark.parametrize("fast", [False, True])
def test_a_transformer_that_gives_its_patches_back(token: bool, fast: bool) -> None:
    module = Unpatchify(token=token).train(not fast)
    torch.backends.mha.set_fastpath_enabled(fast)
    try:
        network = read(module, noise(1, 3, 12, 16))
    finally:
        torch.backends.mha.set_fastpath_enabled(True)
    layer = only(network, "SubPixelConv")
    assert (layer.name, layer.stride, layer.kernel) == ("head", (4, 4), (1, 1))
    assert (layer.input_size, layer.output_size, layer.inputs) == ((3, 4), (12, 16), ("patch",))
    head = module.head.weight.detach().reshape(4, 4, 3, 8).permute(2, 0, 1, 3).reshape(48, 8, 1, 1)
    torch.testing.assert_close(tensor_of(layer), head)


def test_windows_that_come_back_are_no_layer() -> None:
    def windowed(x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        y = torch.roll(x.permute(0, 2, 3, 1), (-2, -2), (1, 2))
        y = y.view(b, h // 4, 4, w // 4, 4, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, 16, c)
        y = F.scaled_dot_product_attention(y, y, y)
        y = y.view(b, h // 4, w // 4, 4, 4, c).permute(0, 1, 3, 2, 4, 5).reshape(b, h, w, c)
        return torch.roll(y, (2, 2), (1, 2)).permute(0, 3, 1, 2)

    network = read(Between(windowed), noise(1, 4, 8, 12))
    assert [layer.name for layer in network.layers] == ["before", "after"]


REPEATS: dict[str, Callable[[Tensor], Tensor]] = {
    "repeat_interleave": lambda x: x.repeat_interleave(2, -1).repeat_interleave(2, -2),
    "expand": lambda x: x[:, :, :, None, :, None].expand(-1, -1, -1, 2, -1, 2).reshape(1, 4, 16, 16),
    "repeat": lambda x: x[:, :, :, None, :, None].repeat(1, 1, 1, 2, 1, 2).flatten(4).flatten(2, 3),
    "broadcast": lambda x: torch.broadcast_to(x[..., None, :, None], (1, 4, 8, 2, 8, 2)).reshape(1, 4, 16, 16),
    "channels repeated, then shuffled": lambda x: F.pixel_shuffle(x.repeat_interleave(4, 1), 2),
}


@pytest.mark.parametrize("name", REPEATS)
def test_repeated_pixels_are_nearest_neighbour_interpolation(name: str) -> None:
    x = noise(1, 4, 8, 8)
    torch.testing.assert_close(REPEATS[name](x), F.interpolate(x, scale_factor=2))
    layer = middle_of(Between(REPEATS[name]), (8, 8))
    assert (layer.operator, layer.mode, layer.stride) == ("Resize", "nearest", (2, 2))


def test_tiles_side_by_side_are_no_repeated_pixels() -> None:
    network = read(Between(lambda x: x.repeat(1, 1, 2, 2)), noise(1, 4, 8, 8))
    assert [layer.operator for layer in network.layers] == ["Conv", "Conv"]


def test_a_pattern_multiplied_onto_repeated_pixels_has_unknown_phases() -> None:
    layer = middle_of(Between(lambda x: torch.kron(x, torch.tensor([[1.0, 2.0], [3.0, 4.0]]))), (8, 8))
    assert (layer.operator, layer.stride, layer.unevenness) == ("PixelShuffle", (2, 2), None)


def test_channels_some_of_which_are_repeated() -> None:
    layer = middle_of(Between(lambda x: F.pixel_shuffle(x.repeat_interleave(2, 1), 2), out=2), (8, 8))
    assert (layer.operator, layer.stride, layer.output_size) == ("PixelShuffle", (2, 2), (16, 16))
