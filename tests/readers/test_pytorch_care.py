"""Reading leaves everything as it was, names what it saw, and works in every number format, or without numbers."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules import module as module_hooks
from torch.nn.utils import parametrizations

from flatfield.network import Network
from flatfield.readers.pytorch import read_module

from .torch_reading import Calling, noise, only, read

GLOBAL_HOOKS = [name for name in dir(module_hooks) if name.startswith("_global_") and name.endswith("_hooks")]


class Careful(nn.Module):
    """Batch statistics, dropout, a mode of its own, a random number: all that a careless reader would change."""

    def __init__(self, fails: bool) -> None:
        super().__init__()
        self.fails = fails
        self.up = parametrizations.spectral_norm(nn.ConvTranspose2d(4, 4, 3, stride=2))
        self.norm, self.drop, self.frozen = nn.BatchNorm2d(4), nn.Dropout(), nn.BatchNorm2d(4)
        self.train()
        self.frozen.eval()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.frozen(self.drop(self.norm(self.up(x)))) + torch.rand(1)
        if self.fails:
            raise ZeroDivisionError("this forward never works")
        return y


def state_of(module: nn.Module) -> tuple[Any, ...]:
    weights = {name: tensor.numpy().tobytes() for name, tensor in module.state_dict().items()}
    modes = [child.training for child in module.modules()]
    hooks = [len(child._forward_hooks) + len(child._forward_pre_hooks) for child in module.modules()]
    everywhere = {name: OrderedDict(getattr(module_hooks, name)) for name in GLOBAL_HOOKS}
    gradients = [parameter.requires_grad for parameter in module.parameters()]
    return weights, modes, hooks, everywhere, gradients, torch.get_rng_state().tolist(), torch.is_grad_enabled()


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("fake", [False, True])
def test_a_module_is_left_as_it_was(fails: bool, fake: bool) -> None:
    module = Careful(fails)
    assert len(GLOBAL_HOOKS) >= 4
    before = state_of(module)
    if fails:
        with pytest.raises(ZeroDivisionError, match="this forward never works"):
            read_module(module, (noise(1, 4, 6, 6),), fake=fake)
    else:
        read(module, noise(1, 4, 6, 6), fake=fake)
    assert state_of(module) == before


def test_an_input_is_left_as_it_was() -> None:
    x = noise(1, 4, 6, 6)
    read(nn.Conv2d(4, 4, 3), x)
    assert torch.equal(x, noise(1, 4, 6, 6))


class Named(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stage = nn.ModuleDict({"up": nn.ConvTranspose2d(4, 4, 4, stride=2, padding=1)})
        self.kernel = nn.Parameter(torch.ones(4, 4, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        up = self.stage["up"]
        x = F.interpolate(up(up(x)), scale_factor=2)
        return F.conv2d(F.conv_transpose2d(x, self.kernel, stride=2), self.kernel)


def test_layers_are_named_after_their_modules_and_calls_after_what_they_are() -> None:
    names = [layer.name for layer in read(Named(), noise(1, 4, 4, 4)).layers]
    assert names == ["stage.up", "stage.up#2", "upsample_nearest2d", "convolution", "convolution#2"]
    nested = nn.Sequential(OrderedDict(head=nn.Sequential(nn.Conv2d(4, 4, 1))))
    assert [layer.name for layer in read(nested, noise(1, 4, 4, 4)).layers] == ["head.0"]


@dataclasses.dataclass
class Output:
    sample: Tensor
    hidden: tuple[Tensor, ...]
    note: str = "not a tensor"


@pytest.mark.parametrize("form", ["dict", "dataclass", "nested"])
def test_outputs_are_found_wherever_they_stand(form: str) -> None:
    first, second = nn.Conv2d(4, 4, 3), nn.ConvTranspose2d(4, 4, 3)

    class Module(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = first, second

        def forward(self, *, image: Tensor, scale: float) -> Any:
            a = self.first(image) * scale
            b = self.second(a)
            nested = [(None, {"x": [b]}), a]
            return {"dict": {"b": b, "a": a, "n": 3}, "dataclass": Output(b, (a,)), "nested": nested}[form]

    network = read_module(Module(), (), keywords={"image": noise(1, 4, 8, 8), "scale": 2.0})
    assert set(network.outputs) == {"first", "second"}
    assert network.inputs == ((1, 4, 8, 8),)


def everything() -> nn.Module:
    class Module(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(
                nn.Conv2d(4, 16, 3, padding="same", padding_mode="circular"),
                nn.PixelShuffle(2),
                nn.GroupNorm(2, 4),
                nn.Upsample(scale_factor=2),
                nn.ConvTranspose2d(4, 4, 3, stride=2),
                nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"),
            )
            self.attention = nn.MultiheadAttention(4, 2, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            tokens = x.flatten(2).transpose(1, 2)
            tokens = self.attention(tokens, tokens, tokens)[0]
            y: Tensor = self.body(tokens.transpose(1, 2).reshape(x.shape))
            return y

    return Module()


def facts(network: Network) -> list[Any]:
    return [
        (v.name, v.operator, v.kernel, v.stride, v.padding, v.padding_mode, v.input_size, v.output_size, v.inputs)
        for v in network.layers
    ]


def test_fake_tensors_tell_the_same_as_real_ones() -> None:
    module, x = everything(), noise(1, 4, 6, 8)
    real, fake = read(module, x), read(module, x, fake=True)
    assert facts(real) == facts(fake)
    assert [layer.unevenness for layer in real.layers] == [layer.unevenness for layer in fake.layers]


def test_computed_weights_have_no_numbers_under_fake_tensors() -> None:
    module = parametrizations.weight_norm(nn.ConvTranspose2d(4, 4, 3, stride=2))
    real = only(read(module, noise(1, 4, 6, 6)), "ConvTranspose")
    fake = only(read(module, noise(1, 4, 6, 6), fake=True), "ConvTranspose")
    assert real.unevenness is not None
    assert (fake.unevenness, fake.weight_shape) == (None, real.weight_shape)
    assert fake.uneven


def test_the_meta_device() -> None:
    module = everything()
    real = read(module, noise(1, 4, 6, 8))
    meta = read(module.to("meta"), noise(1, 4, 6, 8).to("meta"))
    assert facts(meta) == facts(real)
    assert {layer.unevenness for layer in meta.layers if layer.operator == "ConvTranspose"} == {None}


def test_inference_mode_inside_forward() -> None:
    module, x = everything(), noise(1, 4, 6, 8)

    def inside(x: Tensor) -> Any:
        with torch.inference_mode():
            return module(x)

    wrapped = Calling(inside)
    wrapped.module = module
    found = facts(read(wrapped, x))
    strip = [(name.removeprefix("module."), *rest) for name, *rest in found]
    assert [row[:-1] for row in strip] == [row[:-1] for row in facts(read(module, x))]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_number_formats(dtype: torch.dtype) -> None:
    module = nn.Sequential(nn.ConvTranspose2d(4, 4, 3, stride=2), nn.Conv2d(4, 8, 3), nn.PixelShuffle(2)).to(dtype)
    network = read(module, noise(1, 4, 6, 6).to(dtype))
    single = read(module.float(), noise(1, 4, 6, 6))
    for layer, other in zip(network.layers, single.layers, strict=True):
        assert layer.unevenness == pytest.approx(other.unevenness)


@pytest.mark.parametrize("norm", [parametrizations.weight_norm, parametrizations.spectral_norm])
def test_a_weight_that_is_computed_is_read_as_it_is_used(norm: Any) -> None:
    plain = nn.ConvTranspose2d(4, 4, 3, stride=2)
    layer = only(read(norm(plain).eval(), noise(1, 4, 6, 6)), "ConvTranspose")
    assert layer.weight is not None
    np.testing.assert_allclose(layer.weight.load(), plain.weight.detach().numpy(), rtol=1e-5)


@pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated")
def test_the_old_norms() -> None:
    for norm in (nn.utils.weight_norm, nn.utils.spectral_norm):
        layer = only(read(norm(nn.ConvTranspose2d(4, 4, 3, stride=2)), noise(1, 4, 6, 6)), "ConvTranspose")
        assert layer.unevenness is not None
        assert 0.3 < layer.unevenness < 1.0


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_layers_keep_positions(kind: Any) -> None:
    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.before = nn.Conv1d(4, 4, 3)
            self.cells = kind(4, 4, batch_first=True, bidirectional=True)
            self.up = nn.ConvTranspose1d(8, 4, 3, stride=2)

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.up(self.cells(self.before(x).transpose(1, 2))[0].transpose(1, 2))
            return y

    network = read(Recurrent(), noise(1, 4, 12))
    assert [(layer.name, layer.inputs) for layer in network.layers] == [("before", ()), ("up", ("before",))]


class Counting(nn.Module):
    """It counts its runs, and makes a buffer at the first one."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(1, 1, 4, 2, 1)
        self.register_buffer("runs", torch.zeros(()))
        self.register_buffer("later", None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.runs += 1
        self.later = torch.ones(1)
        return self.up(x)


@pytest.mark.parametrize("fake", [False, True])
def test_buffers_are_put_back(fake: bool) -> None:
    module = Counting()
    before = sorted(module.state_dict())
    read_module(module, (torch.zeros(1, 1, 4, 4),), fake=fake)
    assert module.runs == 0
    assert sorted(module.state_dict()) == before


def test_what_is_no_module_is_refused() -> None:
    with pytest.raises(TypeError, match=r"a type is no nn\.Module"):
        read_module(nn.Conv2d, (torch.zeros(1, 1, 4, 4),))  # type: ignore[arg-type]
