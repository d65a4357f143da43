"""The correction on trained networks: the grid goes, the picture stays, and a network without a grid stays too."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from statistics import median

import numpy as np
import pytest
import torch
from tests.cure.trained_networks import PERIOD, halves, inner, locked, painted, pieces, trained, trained_vocoder
from torch import nn

from flatfield.cure.examples import Examples, unheard
from flatfield.cure.pytorch.correct import correct
from flatfield.cure_report import CurePlan
from flatfield.lab.lattice import phase_locked
from flatfield.lab.patches import to_bytes
from flatfield.lab.quality import psnr
from flatfield.lab.sounds import HELD_OUT, Pieces, missing, sounds, spectrum
from flatfield.measure.pool import Pool

NETWORKS = [(upsampler, seed) for upsampler in ("deconv-3", "deconv-4") for seed in (0, 1, 2)]
CONTROLS = [("nearest", seed) for seed in (0, 1, 2)]


@dataclass(frozen=True)
class Held:
    """What one network does to the halves of photographs that it was neither trained nor calibrated on."""

    pooled: float
    psnr: float


def measured(network: nn.Module) -> Held:
    right = halves()[1]
    out, originals = inner(painted(network, right)), inner(right)
    pooled = locked([a - b for a, b in zip(out, originals, strict=True)])
    flat = [torch.cat([p.reshape(3, -1) for p in pictures], 1) for pictures in (out, originals)]
    return Held(pooled, psnr(*flat))


@cache
def cured(upsampler: str, seed: int) -> tuple[nn.Module, tuple[str, ...]]:
    examples = Examples([(pieces(halves()[0], 48),)], "left halves")
    return correct(CurePlan("test", "correct"), trained(upsampler, seed), examples, unheard)


@cache
def control() -> tuple[float, float]:
    """Mean and spread of the resize-convolutions' pooled component: the floor of what is measured."""
    found = [measured(trained(*network)).pooled for network in CONTROLS]
    return float(np.mean(found)), float(np.ptp(found))


def test_pooled_is_the_laboratorys_measure() -> None:
    pictures = pieces(halves()[0], 32)
    assert locked(list(pictures[:, None])) == pytest.approx(phase_locked(pictures, None, PERIOD), rel=1e-9)


def test_the_grid_goes() -> None:
    floor, _ = control()
    shrunk = []
    for network in NETWORKS:
        before, after = measured(trained(*network)), measured(cured(*network)[0])
        shrunk.append((before.pooled - floor) / max(after.pooled - floor, 0.01))
    assert median(shrunk) >= 3, shrunk


@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_it_goes_up_in_none_and_the_picture_stays(network: tuple[str, int]) -> None:
    before, after = measured(trained(*network)), measured(cured(*network)[0])
    assert after.pooled <= before.pooled + control()[1]
    assert after.psnr >= before.psnr - 0.02


@pytest.mark.parametrize("network", CONTROLS, ids=str)
def test_a_network_without_a_grid_is_left_as_it_is(network: tuple[str, int]) -> None:
    model, notes = cured(*network)
    assert "left as it is" in notes[-1]
    for before, after in zip(*(painted(m, halves()[1]) for m in (trained(*network), model)), strict=True):
        assert torch.equal(before, after)


def test_the_statistic_that_knows_no_original_sees_less_too() -> None:
    """The lattice statistic looks at files alone: its strengths, over the bytes of all held-out outputs."""

    def strength(network: nn.Module) -> float:
        pool = Pool((2, PERIOD))
        for picture in painted(network, halves()[1]):
            pool.add(np.moveaxis(to_bytes(picture), -1, 1))
        return float(np.sqrt(np.sum(pool.lattice().strength ** 2)))

    shrunk = [strength(trained(*network)) / max(strength(cured(*network)[0]), 1e-3) for network in NETWORKS]
    assert median(shrunk) >= 2, shrunk


@pytest.mark.parametrize("upsampler", ["deconv-3", "deconv-4"])
@torch.no_grad()
def test_a_vocoders_constant_tones_go_down(upsampler: str) -> None:
    """Rms of what all held-out sounds have in common every 16 samples, at least 10 dB down; so under steady spectra."""
    if missing():
        pytest.skip(str(missing()))
    spectra = spectrum(Pieces(sounds(HELD_OUT)).spread(112))
    module, held = trained_vocoder(upsampler), spectra[1::2]
    model, notes = correct(CurePlan("test", "correct"), module, Examples([(spectra[::2],)], "sounds"), unheard)
    assert "period 16" in notes[0]
    for frames in (held, held.mean(2, keepdim=True).expand_as(held).contiguous()):
        assert tones(model(frames)) < tones(module(frames)) - 10


def tones(sound: torch.Tensor) -> float:
    """Level in dB of what sounds (n, samples) have in common at each phase of 16 samples, borders left out."""
    tile = sound[:, 64:-64].double().unflatten(1, (-1, 16)).mean((0, 1))
    return 10 * math.log10(float((tile - tile.mean()).square().mean()))
