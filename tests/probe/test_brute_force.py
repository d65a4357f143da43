"""The probe is exact: it equals a run on a field so large that borders do not matter, to 1e-10 in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from flatfield.examples import names
from flatfield.probe.attempts import settled_plan
from flatfield.probe.passage import subject
from flatfield.probe.plan import Plan
from flatfield.probe.profile import probe_module, tile_of
from flatfield.probe.unhonoured import NoGridError

from .brute import freeze_instances, in_float64, middle_of_a_large_field

FLAT = {"resize", "resize-bilinear", "subpixel-icnr"}
LEAST = {"unet3d": 4}  # positions of the flat field that make one of the coarsest layer


def assert_tiles(tile: np.ndarray, stretch: torch.Tensor, tolerance: float = 1e-10) -> None:
    """The stretch is the tile, again and again."""
    seen = stretch[0].numpy()
    for axis, n in enumerate(seen.shape):
        if axis:
            assert n % tile.shape[axis] == 0
            tile = tile.take(np.arange(n) % tile.shape[axis], axis)
    np.testing.assert_allclose(seen, tile, rtol=0, atol=tolerance)


def flat_module(module: nn.Module, start: str) -> nn.Module | None:
    """The module whose input is flattened: of a sub-pixel convolution the convolution."""
    return None if start == "input" else module.get_submodule(start)


@pytest.mark.parametrize("name", [n for n in names() if n != "classifier"])
def test_every_example_equals_the_long_way(name: str) -> None:
    module, inputs = in_float64(name)
    whole = subject(module, inputs, None)
    seen = whole.first_pass()
    plan, passage = settled_plan(whole, seen, Plan(""))
    tile = tile_of(passage)
    if passage.start == "input":
        freeze_instances(module, inputs)
    stretch = middle_of_a_large_field(module, inputs, flat_module(module, passage.start), LEAST.get(name, 1))
    assert_tiles(tile.values, stretch)
    assert (max(tile.period) == 1) is (name in FLAT)
    natural = whole.run(Plan(plan.start), seen)
    assert_tiles(tile.values, natural.output, 1e-12), "the smallest torus says what the natural one does"


@pytest.mark.parametrize("name", sorted(FLAT))
def test_flat_networks_are_flat(name: str) -> None:
    module, inputs = in_float64(name)
    report = probe_module(module.float(), tuple(x.float() for x in inputs))
    assert report.unevenness < 1e-6
    assert report.period == (1, 1)
    assert report.guilty is None


def test_a_classifier_has_no_grid_to_show() -> None:
    module, inputs = in_float64("classifier")
    with pytest.raises(NoGridError, match="no output has positions"):
        probe_module(module, inputs)


def windowed(*layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(*layers).double()


@pytest.mark.parametrize(
    "module",
    [
        windowed(nn.ConvTranspose2d(2, 3, 3, 2), nn.Conv2d(3, 2, 3), nn.ReLU(), nn.ConvTranspose2d(2, 1, 5, 3)),
        windowed(nn.ConvTranspose2d(2, 3, 4, 2, 3), nn.ReflectionPad2d(2), nn.Conv2d(3, 2, 3, dilation=2), nn.Tanh()),
        windowed(nn.ConvTranspose2d(2, 3, 3, 2, 1, 1), nn.MaxPool2d(3, 2, 1), nn.Conv2d(3, 4, 3), nn.PixelShuffle(2)),
        windowed(nn.ConvTranspose2d(2, 2, 3, 2), nn.Upsample(scale_factor=1.5, mode="bilinear"), nn.Conv2d(2, 2, 3)),
        windowed(nn.ConvTranspose2d(2, 2, 3, 2), nn.Upsample(scale_factor=2, mode="bicubic"), nn.AvgPool2d(3, 3)),
        windowed(nn.ConvTranspose2d(2, 2, 3, 2), nn.Upsample(scale_factor=0.5, mode="bilinear"), nn.LPPool2d(2, 3)),
    ],
)  # fmt: skip
def test_windows_that_are_no_whole_torus(module: nn.Sequential) -> None:
    torch.manual_seed(0)
    inputs = (torch.randn(1, 2, 8, 8, dtype=torch.float64),)
    whole = subject(module, inputs, None)
    passage = whole.run(Plan(), whole.first_pass())
    with torch.no_grad():
        large = module(inputs[0].mean((2, 3), keepdim=True).expand(1, 2, 64, 64))
    period = max(passage.periods)
    first = (large.shape[-1] // 2) // period * period
    n = passage.output.shape[-1]
    stretch = large[..., first : first + n, first : first + n]
    np.testing.assert_allclose(passage.output.numpy(), stretch.numpy(), rtol=0, atol=1e-10)
    assert not passage.ledger.entries
