"""The grid of a layer followed downstream, against the torch module run on a periodic input."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flatfield.network import Layer, Network, Weight
from flatfield.readers.pytorch import read_module

REPEATS = 24


class Behind(nn.Module):
    """An upsampling layer `up` whose grid has period `stride`, and something behind it."""

    def __init__(self, stride: int, rest: nn.Module, dims: int) -> None:
        super().__init__()
        make = (nn.ConvTranspose1d, nn.ConvTranspose2d)[dims - 1]
        self.up, self.rest = make(2, 2, 3, stride=stride), rest

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.rest(self.up(x))
        return result


class Sum(nn.Module):
    """Parallel paths, cut to the shortest and added."""

    def __init__(self, *paths: nn.Module) -> None:
        super().__init__()
        self.paths = nn.ModuleList(paths)

    def forward(self, x: Tensor) -> Tensor:
        results = [path(x) for path in self.paths]
        for axis in range(2, x.dim()):
            shortest = min(result.shape[axis] for result in results)
            results = [result.narrow(axis, 0, shortest) for result in results]
        return torch.stack(results).sum(0)


class Resized(nn.Module):
    def __init__(self, up: int, down: int) -> None:
        super().__init__()
        self.up, self.down = up, down

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(x, size=[n * self.up // self.down for n in x.shape[2:]], mode="nearest-exact")


class Every(nn.Module):
    def __init__(self, step: int) -> None:
        super().__init__()
        self.step = step

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :, :: self.step]


def box(size: int, dilation: int = 1) -> nn.Module:
    """A convolution that averages: channels are mixed at random, positions are not."""
    convolution = nn.Conv1d(2, 2, size, padding=size // 2, dilation=dilation)
    with torch.no_grad():
        convolution.weight.copy_(convolution.weight[:, :, :1].expand_as(convolution.weight))
    return convolution


def conv(size: int, stride: int = 1) -> nn.Module:
    return nn.Conv1d(2, 2, size, stride=stride, padding=size // 2)


def least_period(signal: Tensor) -> int:
    """The least shift along the last axis that leaves the inner half as it is."""
    n = signal.shape[-1]
    inner = signal[..., n // 4 : n - n // 4]
    scale = inner.abs().max()
    for period in range(1, inner.shape[-1] // 2):
        if (inner[..., period:] - inner[..., :-period]).abs().max() < 1e-5 * scale:
            return period
    raise AssertionError("no period")


def run_on_a_grid(period: int, rest: nn.Module) -> int:
    """What becomes of a random pattern of that period."""
    pattern = torch.randn(1, 2, period, generator=torch.Generator().manual_seed(1)).repeat(1, 1, REPEATS)
    assert least_period(pattern) == period
    with torch.no_grad():
        return least_period(rest(pattern))


PATHS: dict[str, tuple[int, Callable[[], nn.Module], int]] = {
    "nothing": (2, nn.ReLU, 2),
    "box of 4 behind 2": (2, lambda: box(4), 1),
    "box of 4 behind 4": (4, lambda: box(4), 1),
    "box of 3 behind 2": (2, lambda: box(3), 2),
    "box of 2 behind 4": (4, lambda: box(2), 4),
    "two taps, three apart, behind 2": (2, lambda: box(2, dilation=3), 1),
    "two taps, two apart, behind 2": (2, lambda: box(2, dilation=2), 2),
    "any 3 behind 2": (2, lambda: conv(3), 2),
    "any 4 behind 4": (4, lambda: conv(4), 4),
    "box inside a residual": (2, lambda: Sum(nn.Identity(), box(4)), 2),
    "boxes on both paths": (2, lambda: Sum(box(2), box(4)), 1),
    "a convolution after the box": (2, lambda: nn.Sequential(box(2), nn.Tanh(), conv(3)), 1),
    "average pool of 2 behind 2": (2, lambda: nn.AvgPool1d(2, stride=1), 1),
    "average pool of 2/2 behind 4": (4, lambda: nn.AvgPool1d(2), 2),
    "average pool of 4/2 behind 4": (4, lambda: nn.AvgPool1d(4, stride=2), 1),
    "max pool of 2/2 behind 4": (4, lambda: nn.MaxPool1d(2), 2),
    "stride 2 behind 2": (2, lambda: conv(3, stride=2), 1),
    "stride 2 behind 4": (4, lambda: conv(3, stride=2), 2),
    "stride 2 behind 3": (3, lambda: conv(3, stride=2), 3),
    "stride 4 behind 6": (6, lambda: conv(3, stride=4), 3),
    "every third behind 4": (4, lambda: Every(3), 4),
    "every second behind 2": (2, lambda: Every(2), 1),
    "nearest x3 behind 2": (2, lambda: Resized(3, 1), 6),
    "resized by 3/2 behind 2": (2, lambda: Resized(3, 2), 3),
    "resized by 3/2 behind 3": (3, lambda: Resized(3, 2), 9),
    "resized by 4/5 behind 5": (5, lambda: Resized(4, 5), 4),
    "resized by 1/2 behind 4": (4, lambda: Resized(1, 2), 2),
    "a second transposed convolution": (2, lambda: nn.ConvTranspose1d(2, 2, 4, stride=2), 4),
    "paths of periods 3 and 2": (6, lambda: Sum(conv(3, stride=2), conv(3, stride=3)), 6),
    "paths of periods 2 and 1": (4, lambda: Sum(conv(3, stride=2), conv(3, stride=4)), 2),
}


@pytest.mark.parametrize("name", PATHS)
def test_a_period_is_followed_to_the_output(name: str) -> None:
    stride, rest, expected = PATHS[name]
    torch.manual_seed(0)
    module = Behind(stride, rest(), dims=1)
    network = read_module(module, (torch.randn(1, 2, 48),))
    up = network.layers[0]
    assert network.unread == ()
    assert network.output_period(up) == (expected,)
    assert run_on_a_grid(stride, module.rest) == expected
    gone = network.remover(up)
    assert (gone is not None) == (expected == 1)


def test_the_remover_is_the_first_layer_behind_which_nothing_is_left() -> None:
    module = Behind(4, nn.Sequential(conv(3), box(4), conv(3)), dims=1)
    network = read_module(module, (torch.randn(1, 2, 24),))
    gone = network.remover(network.layers[0])
    assert gone is not None
    assert gone.name == "rest.1"
    assert network.follow(network.layers[0]) == {"up": (4,), "rest.0": (4,)}


def test_axes_are_followed_one_by_one() -> None:
    wide = nn.Conv2d(2, 2, (1, 4))
    with torch.no_grad():
        wide.weight.copy_(wide.weight[..., :1].expand_as(wide.weight))
    stretched = Behind(2, nn.Sequential(wide, nn.Upsample(scale_factor=(3, 1))), dims=2)
    network = read_module(stretched, (torch.randn(1, 2, 8, 8),))
    up = network.layers[0]
    # a box along one axis averages columns only: the grid that is left has no proof against it, so all of it stays
    assert network.output_period(up) == (6, 2)
    pooled = read_module(Behind(2, nn.AvgPool2d((1, 2)), dims=2), (torch.randn(1, 2, 8, 8),))
    assert pooled.output_period(pooled.layers[0]) == (2, 1)


def test_several_outputs_meet_in_their_common_multiple() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.up, self.a, self.b = nn.ConvTranspose1d(2, 2, 3, stride=6), conv(3, stride=2), conv(3, stride=3)

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            y = self.up(x)
            return {"a": self.a(y), "b": self.b(y)}

    network = read_module(Two(), (torch.randn(1, 2, 24),))
    assert network.follow(network.layers[0]) == {"up": (6,), "a": (3,), "b": (2,)}
    assert network.output_period(network.layers[0]) == (6,)


def layer(kernel: int, weight: Tensor | None) -> Layer:
    shape = tuple(weight.shape) if weight is not None else ()
    load = None if weight is None else Weight(shape, weight.numpy)
    return Layer("up", "ConvTranspose", (kernel,), (2,), (8,), (16,), weight=load)


def test_unevenness_without_numbers_is_judged_by_overlap() -> None:
    assert layer(3, None).unevenness is None
    assert layer(3, None).uneven
    assert not layer(4, None).uneven


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_weights_that_are_not_finite_tell_nothing(value: float) -> None:
    assert layer(3, torch.full((1, 1, 3), value)).unevenness is None


def test_weights_of_zero_are_flat() -> None:
    assert layer(3, torch.zeros(1, 1, 3)).unevenness == 0.0


def test_gains_are_gathered_in_parts_as_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = torch.randn(9, 5, 3, generator=torch.Generator().manual_seed(0))
    at_once = layer(3, weight).unevenness
    monkeypatch.setattr("flatfield.network._CHUNK", 30)
    assert layer(3, weight).unevenness == pytest.approx(at_once)


def test_an_empty_network_has_nothing_to_follow() -> None:
    alone = layer(3, None)
    network = Network("alone", (alone,), outputs=())
    assert network.output_period(alone) == (1,)
    assert network.remover(alone) is None
