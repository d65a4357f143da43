"""The profile: whose grid it is, beyond constants, and what could not be honoured."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from flatfield.core import decibels, unevenness
from flatfield.examples import load
from flatfield.probe.beyond import stairs
from flatfield.probe.profile import probe_module, probe_opened
from flatfield.probe.tile import Tile
from flatfield.report import Report
from flatfield.targets import open_model


def up(channels: int = 2, kernel: int = 3) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(channels, channels, kernel, 2, kernel // 2, 1)


def test_a_lone_layer_has_the_unevenness_of_its_gains() -> None:
    layer = nn.ConvTranspose2d(1, 1, 3, 2, bias=False)
    nn.init.ones_(layer.weight)
    report = probe_module(layer, torch.full((1, 1, 4, 4), 2.0))
    assert report.unevenness == pytest.approx(0.4359, abs=1e-4)
    assert report.tile_shape == (1, 2, 2)
    assert sorted(report.tile) == [2.0, 4.0, 4.0, 8.0]
    assert report.peak_to_peak == 6.0
    (row,) = report.layers
    assert (row.before, row.share, row.period) == (0.0, 1.0, (2, 2))
    assert row.alone == row.after == pytest.approx(report.unevenness)


def test_shares_add_up_and_name_the_guilty_layer() -> None:
    torch.manual_seed(0)
    flat = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(2, 2, 3, padding=1))
    report = probe_module(nn.Sequential(flat, nn.Tanh(), up(), nn.Tanh(), flat), torch.randn(1, 2, 4, 4))
    drawn = [layer for layer in report.layers if layer.alone is not None]
    assert [layer.name for layer in drawn] == ["0.0", "2", "0.0"]
    assert [layer.share for layer in drawn] == [0.0, 1.0, 0.0]
    assert report.guilty is not None
    assert report.guilty.name == "2"
    assert report.period == (4, 4)
    for name in ("deconv", "vocoder", "unet3d"):
        example = load(name)
        shares = [x.share for x in probe_module(example.module, example.inputs).layers if x.share is not None]
        assert sum(shares) == pytest.approx(1.0)


def test_a_layer_in_front_is_seen_before_and_not_alone() -> None:
    example = load("deconv")
    first, second, third = probe_module(example.module, example.inputs).layers
    later = probe_module(example.module, example.inputs, at="stages.2.0")
    assert later.start == "stages.2.0"
    assert later.period == (2, 2)
    assert third.before > 0.5
    assert first.alone == first.after
    assert second.alone is not None
    assert second.alone < second.after


def test_an_unknown_layer_is_answered_with_those_that_ran() -> None:
    with pytest.raises(ValueError, match=r"no layer 'decoder'; |no layer 'decoder' ran; those that did: 0, 1"):
        probe_module(nn.Sequential(nn.Conv2d(2, 2, 1), up()), torch.ones(1, 2, 4, 4), at="decoder")


def test_a_skip_connection_is_met_by_a_flat_input() -> None:
    class Skip(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.down, self.up = nn.Conv2d(2, 2, 3, 2, 1), up()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.cat((x, self.up(self.down(x))), dim=1)

    report = probe_module(Skip(), torch.randn(1, 2, 8, 8))
    assert report.start == "input"
    assert report.period == (2, 2)
    assert not report.unhonoured
    forced = probe_module(Skip(), torch.randn(1, 2, 8, 8), at="up")
    assert [x.operator for x in forced.unhonoured] == ["cat"]
    assert "not flat" in forced.unhonoured[0].reason


@pytest.mark.parametrize(
    ("function", "operator"),
    [
        (lambda x: F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True), "upsample_bilinear2d"),
        (lambda x: x.cumsum(-1), "cumsum"),
        (lambda x: x + torch.arange(x.shape[-1]), "add"),
        (lambda x: torch.cat((x, x), -1), "cat"),
        (lambda x: F.grid_sample(x, torch.zeros(1, 4, 4, 2), align_corners=False), "grid_sampler_2d"),
        (lambda x: torch.fft.rfft(x).real, "_fft_r2c"),
    ],
)
def test_what_can_not_be_honoured_is_named(function, operator: str) -> None:  # type: ignore[no-untyped-def]
    class After(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.up = up()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.up(x)
            return torch.stack([x.mean()]).reshape(1, 1, 1, 1) * x + function(x).mean()

    class Inside(After):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return function(self.up(x))

    reports = [probe_module(After(), torch.randn(1, 2, 4, 4))]
    assert operator in {x.operator for report in reports for x in report.unhonoured}


def test_a_shuffle_by_hand_is_a_layer() -> None:
    class ByHand(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(2, 12, 3, padding=1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            n, _, h, w = x.shape
            x = self.conv(x).view(n, 3, 2, 2, h, w)
            return x.permute(0, 1, 4, 2, 5, 3).reshape(n, 3, 2 * h, 2 * w)

    torch.manual_seed(0)
    module = ByHand()
    report = probe_module(module, torch.randn(1, 2, 4, 4))
    named = nn.Sequential(module.conv, nn.PixelShuffle(2))
    other = probe_module(named, torch.randn(1, 2, 4, 4), at="input")
    assert [x.operator for x in report.layers if x.share] == ["PixelShuffle"]
    assert report.period == (2, 2)
    assert other.period == (2, 2)


def test_circular_padding_by_the_network_itself() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(up(), nn.Conv2d(2, 2, 3, padding=1, padding_mode="circular"))
    report = probe_module(module, torch.randn(1, 2, 4, 4))
    module[1].padding_mode, module[1]._reversed_padding_repeated_twice = "zeros", [1] * 4
    assert probe_module(module, torch.randn(1, 2, 4, 4)).tile_shape == report.tile_shape
    assert not report.unhonoured


# -- beyond constants ------------------------------------------------------------------------------------------------


def interpolating(mode: str, factor: int = 2) -> nn.Module:
    return nn.Sequential(nn.Upsample(scale_factor=factor, mode=mode))


def test_a_ramp_tells_nearest_from_bilinear() -> None:
    example = torch.randn(1, 1, 8, 8)
    nearest, bilinear = (probe_module(interpolating(m), example, patterns=True) for m in ("nearest", "bilinear"))
    assert (nearest.unevenness, bilinear.unevenness) == (0.0, 0.0)
    assert nearest.ramp == pytest.approx(0.25, abs=1e-5), "stairs of half a step: +- a quarter of the rise"
    assert bilinear.ramp == pytest.approx(0.0, abs=1e-5)
    assert (nearest.stripes, bilinear.stripes) == (pytest.approx(0.0, abs=1e-6),) * 2


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_stairs_have_their_closed_form(factor: int) -> None:
    # y - trend over one step of 0 .. s - 1: (s - 1)/2 - j, in units of a rise of s; its rms is sqrt(s^2 - 1) / sqrt(12)
    line = np.repeat(np.arange(16.0), factor)[None]
    expected = math.sqrt((factor**2 - 1) / 12) / factor
    assert stairs(line, factor, line.size) == pytest.approx(expected)
    assert stairs(np.arange(64.0)[None], factor, 64) == pytest.approx(0.0, abs=1e-12)
    assert stairs(np.zeros((1, 64)), factor, 64) is None


def test_stripes_tell_flat_at_points_from_flat_on_lines() -> None:
    from flatfield.core import flat_weights

    torch.manual_seed(0)
    found = {}
    for at in ("points", "lines"):
        layer = nn.ConvTranspose2d(1, 1, 4, 2, 1, bias=False)
        weight = flat_weights(layer.weight.detach().numpy().astype(float), 2, at=at)  # type: ignore[arg-type]
        layer.weight.data = torch.from_numpy(weight).float()
        report = probe_module(layer, torch.randn(1, 1, 8, 8), patterns=True)
        assert report.unevenness is not None
        assert report.unevenness < 1e-6
        found[at] = report.stripes
    assert found["points"] is not None
    assert found["points"] > 0.05
    assert found["lines"] == pytest.approx(0.0, abs=1e-6)


# -- the report ------------------------------------------------------------------------------------------------------


def test_tones_are_where_they_sound() -> None:
    example = load("vocoder")
    tones = probe_module(example.module, example.inputs, rate=22050.0).tones
    assert min(tone.frequency for tone in tones) == pytest.approx(22050 / 256)
    assert max(tones, key=lambda tone: tone.level).frequency == pytest.approx(22050 / 4)


def test_a_tone_has_its_amplitude() -> None:
    wave = 0.25 * np.cos(2 * np.pi * np.arange(32) / 8)
    (tone,) = Tile(wave[None]).tones(16000.0)
    assert (tone.frequency, tone.level) == (2000.0, pytest.approx(decibels(0.25)))


@pytest.mark.parametrize("name", ["deconv", "vocoder", "classifier"])
def test_a_report_is_saved_and_read_again(name: str) -> None:
    opened = open_model(f"example:{name}")
    report = Report(target=name, probe=probe_opened(opened, rate=22050.0))
    assert report.probe is not None
    assert Report.from_json(report.to_json()) == report
    assert len(report.to_json()) < 60_000
    assert (report.probe.gradient is not None) is (name == "classifier")


def test_the_tile_is_the_output() -> None:
    example = load("deconv-last")
    report = probe_module(example.module, example.inputs)
    tile = np.array(report.tile).reshape(report.tile_shape)
    assert unevenness(np.moveaxis(tile, 0, -1)[..., None]) == pytest.approx(report.unevenness, abs=1e-5)


class GroupNormByHand(nn.Module):
    """Group normalisation as many write it: positions laid out among the channels of a group, and put back."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = x.reshape(x.shape[0], 2, -1)
        variance = parts.var(-1, keepdim=True, correction=0)
        return ((parts - parts.mean(-1, keepdim=True)) / (variance + 1e-5).sqrt()).reshape(x.shape)


def test_a_normalisation_by_hand_is_frozen_too() -> None:
    torch.manual_seed(0)
    layers = [nn.Conv2d(2, 4, 3, padding=1), nn.ConvTranspose2d(4, 4, 3, 2, 1, 1), nn.Conv2d(4, 2, 3, padding=1)]
    example = torch.randn(1, 2, 8, 8)
    by_name = nn.Sequential(layers[0], nn.GroupNorm(2, 4), *layers[1:2], nn.GroupNorm(2, 4), layers[2])
    by_hand = nn.Sequential(layers[0], GroupNormByHand(), layers[1], GroupNormByHand(), layers[2])
    named, handmade = (probe_module(module, example) for module in (by_name, by_hand))
    assert handmade.period == named.period == (2, 2)
    assert not handmade.unhonoured
    # by hand the mean is taken of the flat field itself, the variance of the example
    assert handmade.unevenness == pytest.approx(named.unevenness, abs=0.2)


def test_a_text_beside_a_picture_stays_what_it_is() -> None:
    class Guided(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.down, self.up, self.word = nn.Conv2d(2, 2, 3, 2, 1), up(), nn.Linear(5, 2)

        def forward(self, picture: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
            assert text.std() > 0, "the text has been flattened"
            told = self.word(text).mean(1)[:, :, None, None]
            return torch.cat((picture, self.up(self.down(picture) + told)), dim=1)

    report = probe_module(Guided(), (torch.randn(1, 2, 8, 8), torch.randn(1, 7, 5)))
    assert report.start == "input"
    assert report.period == (2, 2)
    assert not report.unhonoured
