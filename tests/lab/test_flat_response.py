"""The tile of a flat field, against a run so wide that no border can matter."""

import pytest
import torch
from torch import nn

from flatfield.core import phase_gains, unevenness
from flatfield.lab.flat_response import FlatResponse, flat_response
from flatfield.lab.lattice import phase_locked, set_lattice
from flatfield.lab.models.decoder import Decoder
from flatfield.lab.painting import weight_unevenness
from flatfield.lab.upsampling import UPSAMPLERS, upsampling


@pytest.mark.parametrize("name", UPSAMPLERS)
def test_borders_do_not_reach_the_tile(name: str) -> None:
    torch.manual_seed(0)
    decoder = Decoder((name,) * 3, 16).double()
    values = torch.randn(2, 16).double()
    tiles = flat_response(decoder, values, 3).tiles
    wide = decoder(values[:, :, None, None].expand(-1, -1, 21, 21))[..., 80:88, 80:88]
    assert torch.allclose(tiles, wide, atol=1e-12)


@pytest.mark.parametrize("name", UPSAMPLERS)
def test_only_flat_upsamplers_are_flat(name: str) -> None:
    torch.manual_seed(1)
    response = flat_response(Decoder((name,) * 2, 16).double(), torch.randn(4, 16).double(), 2)
    if UPSAMPLERS[name].flat or name == "subpixel-icnr":
        assert response.unevenness < 1e-6
        assert response.periods(1e-3) == ()
    else:
        assert response.unevenness > 0.05
        assert response.periods(1e-3) == (2, 4)


@pytest.mark.parametrize("kernel", [3, 4, 5])
def test_weights_of_a_stage_are_the_core_s_phase_gains(kernel: int) -> None:
    torch.manual_seed(2)
    stage = upsampling(f"deconv-{kernel}", 8, 3).double()
    assert isinstance(stage, nn.ConvTranspose2d)
    exact = unevenness(phase_gains(stage.weight.detach().numpy(), 2))
    assert weight_unevenness(stage, 8) == pytest.approx(exact, rel=1e-9)


def test_periods_add_up_to_the_whole() -> None:
    tile = FlatResponse(torch.randn(3, 3, 8, 8, generator=torch.Generator().manual_seed(0)).double())
    parts = sum(tile.levels_of(period) ** 2 for period in (2, 4, 8))
    assert parts == pytest.approx(tile.levels**2, rel=1e-9)


def test_a_planted_grid_is_found_with_its_periods() -> None:
    pictures = torch.randn(8, 3, 64, 64, generator=torch.Generator().manual_seed(3)) * 0.1
    four = torch.tensor([1.0, 0.0, 0.0, 0.0]).repeat(16) * 0.1
    assert set_lattice(pictures).found == ()
    assert set_lattice(pictures + four).found == (2, 4)
    blank = torch.zeros(4, 3, 64, 64)
    assert set_lattice(torch.cat((pictures + four, blank))).found == (2, 4)
    assert phase_locked(pictures + four, pictures, 8) == pytest.approx(127.5 * 0.1 * 0.1875**0.5, rel=1e-5)
