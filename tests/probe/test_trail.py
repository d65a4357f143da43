"""Which axes of an input hold positions is told by the layers that look along them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from flatfield.probe.gradient import probe_gradient
from flatfield.probe.marks import Source
from flatfield.probe.passage import subject
from flatfield.probe.profile import probe_module


class Skip(nn.Module):
    """Down and up again, and the input beside it."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.down, self.up = nn.Conv2d(2, 3, 3, 2, 1), nn.ConvTranspose2d(3, 2, 3, 2, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat((x, self.up(self.down(x).relu())), dim=1)


class ChannelsLast(Skip):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class Sequence(nn.Module):
    """(batch, length, features), as transformers pass it on."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Conv1d(3, 4, 4, 2, 1), nn.ConvTranspose1d(4, 3, 4, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.up(self.down(x.transpose(1, 2))).transpose(1, 2)


class Wave(nn.Module):
    """(batch, samples), as sound often comes."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Conv1d(1, 4, 8, 4, 2), nn.ConvTranspose1d(4, 1, 8, 4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.up(self.down(x.unsqueeze(1))).squeeze(1)


class Residual(nn.Module):
    """A block with a shortcut that strides as well: both paths take the same step."""

    def __init__(self) -> None:
        super().__init__()
        self.main, self.short = nn.Conv2d(2, 2, 3, 2, 1), nn.Conv2d(2, 2, 1, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (self.main(x) + self.short(x)).tanh()


@pytest.mark.parametrize(
    ("module", "size", "source"),
    [
        (Skip(), (1, 2, 16, 24), Source((2, 3), 2, (2, 2))),
        (ChannelsLast(), (1, 16, 24, 2), Source((1, 2), 2, (2, 2))),
        (Sequence(), (1, 16, 3), Source((1,), 1, (2,))),
        (Wave(), (1, 32), Source((1,), 1, (4,))),
        (nn.Sequential(Residual(), nn.MaxPool2d(2), Residual()), (1, 2, 16, 16), Source((2, 3), 2, (8, 8))),
        (nn.Sequential(nn.Conv2d(1, 1, 1), nn.AdaptiveAvgPool2d(1)), (1, 1, 8, 8), Source((2, 3), 2, (1, 1))),
        (nn.Sequential(nn.Unflatten(1, (2, 8)), nn.Conv1d(2, 1, 3, 3)), (1, 16), None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_axes_that_layers_look_along(module: nn.Module, size: tuple[int, ...], source: Source | None) -> None:
    found = subject(module, torch.randn(*size), None).first_pass().trail.marks.sources
    if source is None:  # an axis that is cut into channels and positions is neither
        assert found.get(0) is None or found[0].axes == (1,)
    else:
        assert found == {0: source}


def test_channels_last_is_the_same_network() -> None:
    torch.manual_seed(1)
    example = torch.randn(1, 2, 16, 16)
    first, last = probe_module(Skip(), example), probe_module(ChannelsLast(), example.permute(0, 2, 3, 1))
    assert (first.start, last.start) == ("input", "input")
    assert first.period == last.period == (2, 2)
    assert last.unevenness == pytest.approx(first.unevenness, abs=1e-6)
    assert last.tile_shape == first.tile_shape
    np.testing.assert_allclose(last.tile, first.tile, atol=1e-6)
    one, other = (probe_gradient(m, x) for m, x in ((Skip(), example), (ChannelsLast(), example.permute(0, 2, 3, 1))))
    assert one.period == other.period == (2, 2)
    assert other.unevenness == pytest.approx(one.unevenness, abs=1e-6)


@pytest.mark.parametrize(("module", "size", "period"), [(Sequence(), (1, 32, 3), 2), (Wave(), (1, 64), 4)])
def test_a_sequence_has_its_period_along_its_length(module: nn.Module, size: tuple[int, ...], period: int) -> None:
    report = probe_module(module, torch.randn(*size), at="input", patterns=True)
    assert report.period == (period,)
    assert not report.unhonoured
    assert report.ramp is not None
    assert report.stripes is None
    assert probe_gradient(module, torch.randn(*size)).period == (period,)


def test_both_paths_of_a_block_take_one_step() -> None:
    module = nn.Sequential(Residual(), Residual(), nn.AdaptiveAvgPool2d(1))
    assert probe_gradient(module, torch.randn(1, 2, 16, 16)).period == (4, 4)


@pytest.mark.parametrize("in_place", [False, True])
def test_a_skip_connection_is_seen_in_the_first_pass(in_place: bool) -> None:
    class Sum(Skip):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            result = self.up(self.down(x))
            result = result.add_(x) if in_place else result + x
            return result * x.mean((1, 2, 3), keepdim=True)

    class Gain(Skip):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.up(self.down(x)) * x.mean((2, 3), keepdim=True)

    assert subject(Sum(), torch.randn(1, 2, 8, 8), None).first_pass().trail.bypassed
    assert not subject(Gain(), torch.randn(1, 2, 8, 8), None).first_pass().trail.bypassed
