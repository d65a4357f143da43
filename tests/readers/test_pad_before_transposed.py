"""Zeros in front of a transposed convolution are not its padding: that one crops."""

from __future__ import annotations

import torch
from torch import nn

from flatfield.readers.pytorch import read_module


def test_zeros_in_front_of_a_transposed_convolution_stay_an_operator_of_their_own() -> None:
    module = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ZeroPad2d(1), nn.ConvTranspose2d(1, 1, 4, stride=2, padding=1))
    layer = read_module(module, (torch.zeros(1, 1, 8, 8),)).layers[-1]
    assert (layer.padding, layer.input_size, layer.output_size) == (((1, 1), (1, 1)), (10, 10), (20, 20))
    assert layer.between == ("pad",)


def test_zeros_in_front_of_a_convolution_are_its_padding() -> None:
    module = nn.Sequential(nn.ZeroPad2d(1), nn.Conv2d(1, 1, 3, padding=1))
    layer = read_module(module, (torch.zeros(1, 1, 8, 8),)).layers[-1]
    assert (layer.padding, layer.input_size, layer.between) == (((2, 2), (2, 2)), (8, 8), ())
