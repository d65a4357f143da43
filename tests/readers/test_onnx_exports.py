"""A PyTorch module and its ONNX export are read alike: the same words and numbers from both readers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flatfield.network import Layer, Network
from flatfield.readers.onnx import read_onnx
from flatfield.readers.pytorch import read_module


class SuperResolution(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 48, 3, padding=1)
        self.c = nn.ConvTranspose2d(12, 3, 3, 2, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(F.relu(F.pixel_shuffle(self.b(F.relu(self.a(x))), 2)))


class SpelledShuffle(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 12, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.a(x)
        b, c, h, w = y.shape
        return y.view(b, c // 4, 2, 2, h, w).permute(0, 1, 4, 2, 5, 3).reshape(b, c // 4, h * 2, w * 2)


class Resized(nn.Module):
    def __init__(self, mode: str) -> None:
        super().__init__()
        self.options = {"mode": mode} if mode == "nearest" else {"mode": mode, "align_corners": False}
        self.a, self.norm, self.other = nn.Conv2d(3, 4, 3, padding=1), nn.GroupNorm(2, 4), nn.InstanceNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        y = F.interpolate(self.a(x), scale_factor=2, **self.options)
        return self.other(F.interpolate(F.silu(self.norm(y)), size=(40, 50), **self.options))


class Vocoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up = nn.utils.parametrizations.weight_norm(nn.ConvTranspose1d(8, 4, 16, 8, 4))
        self.out = nn.Conv1d(4, 1, 7, padding=3, padding_mode="reflect")

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.out(F.leaky_relu(self.up(x), 0.1)))


class Volume(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down, self.up, self.out = (
            nn.Conv3d(1, 4, 3, 2, 1),
            nn.ConvTranspose3d(4, 2, 3, 2, 1, 1),
            nn.Conv3d(3, 1, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        y = F.max_pool3d(F.avg_pool3d(self.down(x), 3, 1, 1), 3, 1, 1)
        return self.out(torch.cat([x, self.up(y)], 1))


class Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cut, self.expand = nn.Conv2d(3, 16, 4, 4), nn.Linear(16, 48)
        self.block = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        y = self.cut(x)
        b, _, h, w = y.shape
        y = self.expand(self.block(y.flatten(2).transpose(1, 2)))
        return y.view(b, h, w, 4, 4, 3).permute(0, 5, 1, 3, 2, 4).reshape(b, 3, h * 4, w * 4)


class Repeated(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(12, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.a(F.pixel_unshuffle(x, 2)).repeat_interleave(2, 2).repeat_interleave(2, 3)


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cut, self.up = nn.Conv1d(1, 8, 9, 4, 4), nn.ConvTranspose1d(16, 1, 9, 4)
        self.memory = nn.LSTM(8, 8, 2, bidirectional=True, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        y, _ = self.memory(self.cut(x).transpose(1, 2))
        a, b = y.transpose(1, 2).chunk(2, 1)
        return self.up(torch.cat([a * torch.sigmoid(b), b], 1))


class Generator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Linear(10, 64), nn.BatchNorm2d(4)
        self.a, self.b = nn.ConvTranspose2d(4, 4, 4, 2, 1), nn.ConvTranspose2d(4, 3, 5, 2, 1)

    def forward(self, z: Tensor) -> Tensor:
        return torch.tanh(self.b(F.relu(self.norm(self.a(self.first(z).view(-1, 4, 4, 4))))))


def alike(layer: Layer) -> tuple[object, ...]:
    """Everything about a layer but its name."""
    return (
        layer.operator, layer.kernel, layer.stride, layer.padding, layer.padding_mode, layer.dilation,
        layer.output_padding, layer.groups, layer.mode, layer.weight_shape, layer.input_size, layer.output_size,
        layer.multiply_adds, None if layer.unevenness is None else round(layer.unevenness, 5),
    )  # fmt: skip


def graph(network: Network) -> list[list[int]]:
    """Which layers each layer follows, by number."""
    places = {layer.name: i for i, layer in enumerate(network.layers)}
    return [sorted(places[name] for name in layer.inputs) for layer in network.layers]


IMAGE = (1, 3, 16, 16)
MODULES = [
    (SuperResolution, IMAGE), (SpelledShuffle, IMAGE), (lambda: Resized("nearest"), IMAGE),
    (lambda: Resized("bilinear"), IMAGE), (lambda: Resized("bicubic"), IMAGE), (Vocoder, (1, 8, 20)),
    (Volume, (1, 1, 8, 8, 8)), (Transformer, IMAGE), (Repeated, IMAGE), (Recurrent, (1, 1, 64)), (Generator, (1, 10)),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore")  # of the exporter: it speaks of itself
@pytest.mark.parametrize(("factory", "shape"), MODULES)
def test_both_readers_see_the_same(factory: type[nn.Module], shape: tuple[int, ...], tmp_path: Path) -> None:
    torch.manual_seed(0)
    module, example = factory().eval(), torch.randn(shape)
    path = tmp_path / "model.onnx"
    torch.onnx.export(module, (example,), str(path), dynamo=False, opset_version=17)
    ours, theirs = read_module(module, (example,)), read_onnx(path)
    assert [alike(layer) for layer in theirs.layers] == [alike(layer) for layer in ours.layers]
    assert theirs.layers
    assert graph(theirs) == graph(ours)
    assert [theirs.output_period(a) for a in theirs.layers] == [ours.output_period(b) for b in ours.layers]
    assert theirs.unread == ours.unread == ()
