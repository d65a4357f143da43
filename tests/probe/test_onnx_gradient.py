"""The probe backwards in ONNX Runtime: every operator's adjoint is what PyTorch's autograd says on the same torus."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import flatfield
from flatfield.core import unevenness
from flatfield.examples import load
from flatfield.probe.gradient import probe_gradient
from flatfield.probe.gradient_grid import Leaf
from flatfield.probe.onnx.gradient import Backwards, onnx_gradient
from flatfield.probe.onnx.profile import look_at
from flatfield.render import render_text


class Function(nn.Module):
    """Squared, so that what arrives behind it is no constant."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.function = function  # a module among the children, so that its weights are exported as weights

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.function(x)
        return y * y


def exported(module: nn.Module, x: torch.Tensor, folder: Path, opset: int = 17) -> Path:
    path = folder / "m.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(), (x,), path, dynamo=False, opset_version=opset, do_constant_folding=False,
            training=torch.onnx.TrainingMode.PRESERVE,
        )  # fmt: skip
    return path


def assert_like_autograd(module: nn.Module, x: torch.Tensor, folder: Path, opset: int = 17) -> None:
    """The torus by hand: the picture five times along every axis, and the gradient in the middle."""
    axes = tuple(range(2, x.dim()))
    look = look_at(exported(module, x, folder, opset), [x.numpy()])
    leaf = Leaf(x.numpy(), axes, (1,) * len(axes))
    found = Backwards(look, next(iter(look.model.feeds)), leaf, random=True, flatten=False).gradient()(x.numpy())
    large = x.repeat(1, 1, *(5 for _ in axes)).requires_grad_(True)
    (expected,) = torch.autograd.grad(module(large).sum(), large)
    for axis in axes:
        expected = expected.narrow(axis, 2 * x.shape[axis], x.shape[axis])
    assert expected.abs().max() > 0.01, "a gradient of nothing proves nothing"
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5 * float(expected.abs().max()))


W = torch.randn(2, 2, generator=torch.Generator().manual_seed(1))
V = torch.randn(5, 2, 1, 1, generator=torch.Generator().manual_seed(2))


def gram(x: torch.Tensor) -> torch.Tensor:
    return x @ x.transpose(1, 2) / int(x.shape[2])


POINTWISE: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "relu": F.relu, "leaky": lambda x: F.leaky_relu(x, 0.2), "prelu": lambda x: F.prelu(x, torch.tensor([0.3])),
    "elu": lambda x: F.elu(x, 0.7), "selu": F.selu, "sigmoid": torch.sigmoid, "tanh": torch.tanh, "gelu": F.gelu,
    "silu": F.silu, "hardswish": F.hardswish, "hardsigmoid": F.hardsigmoid, "softplus": F.softplus,
    "erf": torch.erf, "exp": torch.exp, "log": lambda x: torch.log(x * x + 1), "sqrt": lambda x: torch.sqrt(x * x + 1),
    "reciprocal": lambda x: torch.reciprocal(x * x + 1), "abs": torch.abs, "neg": torch.neg, "sin": torch.sin,
    "cos": torch.cos, "clip": lambda x: x.clamp(-0.5, 0.7), "pow": lambda x: (x * x + 1) ** 1.5,
    "sub": lambda x: 1 - x - 2 * x, "div": lambda x: x / (x * x + 1), "mul": lambda x: x * torch.tanh(x),
    "where": lambda x: torch.where(x > 0.3, torch.exp(x), -x),
    "per channel": lambda x: x * x.mean((2, 3), keepdim=True) + x.sum(1, keepdim=True),
    "gate": lambda x: x * torch.sigmoid(F.adaptive_avg_pool2d(x, 1)),
    "softmax": lambda x: torch.softmax(3 * x, 1),
    "layer norm": lambda x: F.layer_norm(F.conv2d(x, V).permute(0, 2, 3, 1), (5,)).permute(0, 3, 1, 2).tanh(),
    "channels attend": lambda x: torch.softmax(gram(x.flatten(2)), -1) @ x.flatten(2),
    "linear": lambda x: F.linear(x.permute(0, 2, 3, 1), W).permute(0, 3, 1, 2),
    "cat": lambda x: torch.cat((x, torch.sin(x[:, :1])), 1), "channel": lambda x: x[:, 1:] * x,
    "pad of channels": lambda x: F.pad(x, (0, 0, 0, 0, 1, 2)),
    "expand": lambda x: x.mean(1).unsqueeze(1).expand(-1, 3, -1, -1),
}  # fmt: skip


@pytest.mark.parametrize("name", POINTWISE)
def test_what_works_on_every_position(name: str, tmp_path: Path) -> None:
    x = torch.randn(1, 2, 6, 8, generator=torch.Generator().manual_seed(0))
    assert_like_autograd(Function(POINTWISE[name]), x, tmp_path)


LAYERS: dict[str, Callable[[], nn.Module]] = {
    "conv 3/2": lambda: nn.Conv2d(2, 3, 3, 2, 1), "conv 4/2": lambda: nn.Conv2d(2, 3, 4, 2, 1),
    "conv 1/2": lambda: nn.Conv2d(2, 3, 1, 2), "dilated": lambda: nn.Conv2d(2, 4, 3, 1, 2, 2, groups=2),
    "two axes": lambda: nn.Conv2d(2, 3, (3, 4), (1, 2), (1, 1)),
    "deconv 3/2": lambda: nn.ConvTranspose2d(2, 3, 3, 2, 1, 1),
    "deconv 4/2": lambda: nn.ConvTranspose2d(2, 4, 4, 2, 1, groups=2),
    "deconv 2/3": lambda: nn.ConvTranspose2d(2, 3, 2, 3, 0, 1),
    "average": lambda: nn.AvgPool2d(2), "average 3/2": lambda: nn.AvgPool2d(3, 2, 1),
    "max": lambda: nn.MaxPool2d(2), "max 3/2": lambda: nn.MaxPool2d(3, 2, 1), "max 3/1": lambda: nn.MaxPool2d(3, 1, 1),
    "nearest": lambda: nn.Upsample(scale_factor=2), "bilinear": lambda: nn.Upsample(scale_factor=2, mode="bilinear"),
    "shuffle": lambda: nn.Sequential(nn.Conv2d(2, 8, 1), nn.PixelShuffle(2)), "unshuffle": lambda: nn.PixelUnshuffle(2),
    "instance": lambda: nn.InstanceNorm2d(2, affine=True), "batch": lambda: nn.BatchNorm2d(2),
    "group": lambda: nn.Sequential(nn.Conv2d(2, 4, 1), nn.GroupNorm(2, 4)),
    "reflect": lambda: nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(2, 3, 3)),
    "pad and stride": lambda: nn.Sequential(nn.ZeroPad2d(1), nn.Conv2d(2, 3, 4, 2)),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_layers_on_the_torus(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    layer = LAYERS[name]().eval()
    assert_like_autograd(Function(nn.Sequential(layer, nn.Tanh())), torch.randn(1, 2, 6, 8), tmp_path)


@pytest.mark.parametrize("dims", [1, 3])
def test_other_dimensions(dims: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    conv, up = ((nn.Conv1d, nn.ConvTranspose1d), (nn.Conv3d, nn.ConvTranspose3d))[dims // 2]
    pool = (nn.MaxPool1d, nn.MaxPool3d)[dims // 2](3, 2, 1)
    module = nn.Sequential(conv(2, 3, 3, padding=1), nn.ELU(), pool, up(3, 2, 4, 2, 1), nn.Sigmoid())
    assert_like_autograd(Function(module), torch.randn(1, 2, *(8,) * dims), tmp_path)


class Older(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down, self.pool, self.up = (
            nn.Conv2d(2, 3, 3, 2, 1),
            nn.MaxPool2d(3, 1, 1),
            nn.ConvTranspose2d(3, 2, 4, 2, 1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.sigmoid(self.up(self.pool(self.down(x))))
        return y * x.sum(1, keepdim=True) + x[:, :1].clamp(-0.5, 0.5)


def test_an_older_opset(tmp_path: Path) -> None:
    torch.manual_seed(0)
    assert_like_autograd(Function(Older()), torch.randn(1, 2, 6, 8), tmp_path, 11)


@pytest.mark.parametrize("name", ["autoencoder", "classifier", "unet3d"])
def test_both_probes_agree(name: str, tmp_path: Path) -> None:
    example = load(name)
    path = exported(example.module, example.inputs[0], tmp_path)
    look = look_at(path, [x.numpy() for x in example.inputs])
    found, expected = (
        onnx_gradient(look, random_inputs=8),
        probe_gradient(example.module, example.inputs, random_inputs=8),
    )
    assert (found.period, found.inputs, found.shifts) == (expected.period, expected.inputs, expected.shifts)
    assert found.unevenness == pytest.approx(expected.unevenness, abs=1e-5)
    for a, b in (
        (found.variance_unevenness, expected.variance_unevenness), (found.strength, expected.strength),
        (found.chance, expected.chance),
    ):  # fmt: skip
        assert a == (None if b is None else pytest.approx(b, abs=1e-5))


def test_paddings_that_make_no_whole_torus_equal_the_long_way(tmp_path: Path) -> None:
    torch.manual_seed(0)
    pad, wide = nn.ReflectionPad2d((1, 2, 1, 1)), nn.ZeroPad2d((2, 1, 0, 3))
    module = nn.Sequential(pad, nn.Conv2d(1, 2, 3, 2), nn.Tanh(), wide, nn.Conv2d(2, 2, 4, 2, 3), nn.Conv2d(2, 1, 3))
    x = torch.rand(1, 1, 24, 24)
    report = onnx_gradient(look_at(exported(module, x, tmp_path), [x.numpy()]))
    large = x.mean((2, 3), keepdim=True).expand(1, 1, 128, 128).clone().requires_grad_(True)
    module(large).sum().backward()
    assert large.grad is not None
    middle = large.grad[0, :, 64:68, 64:68].numpy()
    assert report.period == (4, 4)
    assert report.unevenness == pytest.approx(unevenness(np.moveaxis(middle, 0, -1)[..., None]), abs=1e-5)


def test_a_head_that_weighs_every_position(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(1, 4, 3, 2, 1), nn.ReLU(), nn.Conv2d(4, 4, 3, 2, 1), nn.Flatten(), nn.Linear(64, 5)
    )
    x = torch.rand(1, 1, 16, 16)
    found = onnx_gradient(look_at(exported(module, x, tmp_path), [x.numpy()]))
    assert found.unevenness == pytest.approx(probe_gradient(module, x).unevenness, abs=1e-5)
    assert found.period == (4, 4)


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down, self.gru = nn.Conv1d(2, 4, 4, 2, 1), nn.GRU(4, 4, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.gru(self.down(x).transpose(1, 2))[0].transpose(1, 2)
        return found


DOWN = nn.Conv2d(2, 2, 3, 2, 1)


@pytest.mark.parametrize(
    ("module", "size", "reason"),
    [
        (Recurrent(), (1, 2, 8), r"not honoured: /gru/\w+ \(GRU\)|through /gru/GRU"),
        (nn.Sequential(DOWN, nn.Upsample(scale_factor=1.5, mode="bilinear")), (1, 2, 8, 8), "Resize by linear"),
        (nn.Sequential(DOWN, nn.Hardtanh(90.0, 91.0)), (1, 2, 8, 8), "no gradient arrives"),
    ],
)  # fmt: skip
def test_what_has_no_gradient_is_named(module: nn.Module, size: tuple[int, ...], reason: str, tmp_path: Path) -> None:
    path = exported(module, torch.randn(*size), tmp_path)
    with pytest.raises(ValueError, match=reason):
        onnx_gradient(look_at(path, [size]))
    report = flatfield.check(path)
    assert report.probe is not None
    assert [x.name for x in report.probe.missing if x.name == "gradient"] == ["gradient"]
    assert "not run: gradient: " in render_text(report)
