"""Tensors filled through their slices, stacks, and zeros between pixels.

Where the reader makes one layer of several operators, that layer must give the same output.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flatfield.readers.pytorch import read_module

from .torch_reading import Between, Calling, middle_of, noise, only, read, tensor_of


class Branches(nn.Module):
    def __init__(self, join: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.even, self.odd, self.after = (nn.Conv1d(4, 4, 3, padding=1) for _ in range(3))
        self.join = join

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.after(self.join(self.even(x), self.odd(x)))
        return result


def filled(even: Tensor, odd: Tensor) -> Tensor:
    canvas = torch.zeros(*even.shape[:2], 2 * even.shape[2])
    canvas[:, :, ::2] = even
    canvas[:, :, 1::2] = odd
    return canvas


@pytest.mark.parametrize("join", [lambda a, b: torch.stack([a, b], -1).reshape(1, 4, -1), filled])
def test_interleaved_branches_are_a_shuffle_of_both(join: Callable[[Tensor, Tensor], Tensor]) -> None:
    layer = only(read(Branches(join), noise(1, 4, 8)), "PixelShuffle")
    assert (layer.stride, layer.inputs, layer.output_size) == ((2,), ("even", "odd"), (16,))


def test_an_interleaved_wavelet_reconstruction() -> None:
    def inverse(x: Tensor) -> Tensor:
        a, b, c, d = x.chunk(4, 1)
        canvas = torch.zeros(1, 1, 2 * x.shape[2], 2 * x.shape[3])
        for i, j, part in [(0, 0, a - b - c + d), (1, 0, a - b + c - d), (0, 1, a + b - c - d), (1, 1, a + b + c + d)]:
            canvas[:, :, i::2, j::2] = part
        return canvas

    layer = middle_of(Between(inverse, out=1), (8, 8))
    assert (layer.operator, layer.stride) == ("PixelShuffle", (2, 2))


def by_slices(x: Tensor) -> Tensor:
    canvas = x.new_zeros(*x.shape[:2], 2 * x.shape[2], 2 * x.shape[3])
    canvas[:, :, ::2, ::2] = x
    return canvas


def by_padding(x: Tensor) -> Tensor:
    b, c, h, w = x.shape
    return F.pad(x.reshape(b, c, h, 1, w, 1), (0, 1, 0, 0, 0, 1)).reshape(b, c, 2 * h, 2 * w)


@pytest.mark.parametrize("insert", [by_slices, by_padding])
@pytest.mark.parametrize(("kernel", "padding", "groups"), [(3, 1, 1), (4, 2, 2), (5, 2, 4)])
def test_zeros_between_pixels_and_a_convolution_are_one_transposed_convolution(
    insert: Callable[[Tensor], Tensor], kernel: int, padding: int, groups: int
) -> None:
    convolution = nn.Conv2d(4, 8, kernel, padding=padding, groups=groups, bias=False)
    module = nn.Sequential(Calling(insert), convolution)
    x = noise(1, 4, 6, 5)
    network = read(module, x)
    layer = only(network, "ConvTranspose")
    assert [layer.name for layer in network.layers] == ["1"]
    before = tuple(a for a, _ in layer.padding)
    assert layer.output_size == tuple(module(x).shape[2:])
    full = F.conv_transpose2d(x, tensor_of(layer), stride=2, groups=groups, output_padding=1)
    rows, columns = layer.output_size
    expected = full[:, :, before[0] : before[0] + rows, before[1] : before[1] + columns]
    torch.testing.assert_close(module(x), expected)


def test_zeros_between_pixels_alone_are_a_transposed_convolution_of_one_tap() -> None:
    module = nn.Sequential(nn.Conv2d(4, 4, 1), Calling(by_slices), nn.ReLU())
    layer = only(read(module, noise(1, 4, 6, 6)), "ConvTranspose")
    assert layer.overlap.tolist() == [[1, 0], [0, 0]]
    assert layer.uneven


def test_the_middle_of_zeros_is_padding() -> None:
    def framed(x: Tensor) -> Tensor:
        canvas = torch.zeros(1, 4, 12, 14)
        canvas[:, :, 1:9, 2:10] = x
        return canvas

    layer = read(Between(framed), noise(1, 4, 8, 8)).layers[-1]
    assert (layer.padding, layer.padding_mode) == (((2, 4), (3, 5)), "zeros")
    assert layer.input_size == (8, 8)


def test_entries_written_one_by_one_keep_their_layer() -> None:
    def rows(x: Tensor) -> Tensor:
        canvas = torch.empty(1, 4, 8, 8)
        for i in range(8):
            canvas[:, :, i] = x[:, :, i]
        return canvas

    network = read(Between(rows), noise(1, 4, 8, 8))
    assert network.layers[-1].inputs == ("before",)
    assert [layer.name for layer in network.layers] == ["before", "after"]


def test_overwriting_every_other_pixel_is_unread() -> None:
    def dotted(x: Tensor) -> Tensor:
        y = x.clone()
        y[:, :, ::2] = x[:, :, 1::2] * 2
        return y

    network = read_module(Between(dotted), (noise(1, 4, 8, 8),))
    assert [note.reason for note in network.unread] == ["written to every other position"]
