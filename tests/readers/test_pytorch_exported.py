"""Exported programs read like the modules they were."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from flatfield.readers.errors import UnreadableError
from flatfield.readers.exported import read_exported

from .torch_reading import noise, read

pytestmark = pytest.mark.filterwarnings("ignore")  # torch.export warns of its own parts


@pytest.fixture(scope="module")
def module() -> nn.Module:
    torch.manual_seed(0)
    up = nn.Sequential(nn.ConvTranspose2d(4, 4, 3, stride=2), nn.ReLU(), nn.Upsample(scale_factor=2))
    return nn.Sequential(up, nn.Conv2d(4, 12, 3, padding=1), nn.PixelShuffle(2)).eval()


@pytest.fixture(scope="module")
def path(module: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "model.pt2"
    torch.export.save(torch.export.export(module, (noise(1, 4, 6, 6),)), path)
    return path


@pytest.mark.parametrize("fake", [False, True])
def test_an_exported_program_has_the_layers_of_its_module(module: nn.Module, path: Path, fake: bool) -> None:
    exported, original = read_exported(path, fake=fake), read(module, noise(1, 4, 6, 6))
    assert exported.unread == ()
    assert exported.target == str(path)
    for layer, expected in zip(exported.layers, original.layers, strict=True):
        assert (layer.operator, layer.stride, layer.kernel) == (expected.operator, expected.stride, expected.kernel)
        assert (layer.unevenness, layer.output_size) == (expected.unevenness, expected.output_size)
        assert layer.name.split(".upsample")[0] == expected.name


def test_what_is_no_exported_program_is_refused_in_one_line(tmp_path: Path) -> None:
    missing, damaged = tmp_path / "none.pt2", tmp_path / "damaged.pt2"
    damaged.write_bytes(b"PK\x03\x04 not a program")
    for path, reason in ((missing, "no such file"), (damaged, "refused it")):
        with pytest.raises(UnreadableError, match=reason) as raised:
            read_exported(path)
        assert "\n" not in str(raised.value)


def test_inputs_of_another_shape_say_what_to_do(path: Path) -> None:
    with pytest.raises(UnreadableError, match="give the exported shapes with --input"):
        read_exported(path, [noise(1, 4, 7, 7)])
