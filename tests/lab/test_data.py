"""Photographs, patches and draws."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from flatfield.lab.datasets import FASHION, MATE, fashion_mnist, mate_backgrounds, photographs_of
from flatfield.lab.draw import Draw, generator_of
from flatfield.lab.lattice import set_lattice
from flatfield.lab.patches import Patches, tiled, to_bytes, to_tensor
from flatfield.lab.photographs import HELD_OUT, TRAINING, bundled, folder


def test_training_and_held_out_scenes_are_apart() -> None:
    assert not {name.split("_")[0] for name in TRAINING} & {name.split("_")[0] for name in HELD_OUT}
    photographs = bundled()
    assert len(photographs.training) == len(TRAINING)
    assert all(picture.dtype == np.uint8 and picture.shape[2] == 3 for picture in photographs.training)


def test_the_photographs_have_no_lattice_of_their_own() -> None:
    photographs = bundled()
    for pictures in (photographs.training, photographs.held_out):
        assert set_lattice(tiled(pictures, 64, 40)).found == ()


def test_bytes_and_tensors_are_each_others_inverse() -> None:
    every = np.arange(256, dtype=np.uint8).reshape(1, 256, 1).repeat(3, axis=2)
    assert np.array_equal(to_bytes(to_tensor(every)), every)


def test_two_processes_draw_together_what_one_draws() -> None:
    patches = Patches(bundled().training, 32)
    whole = patches.sample(Draw(generator_of(0, 5), 8))
    parts = [patches.sample(Draw(generator_of(0, 5), 8, rank, 2)) for rank in range(2)]
    assert torch.equal(whole[0::2], parts[0])
    assert torch.equal(whole[1::2], parts[1])
    assert not torch.equal(whole, patches.sample(Draw(generator_of(0, 6), 8)))


def test_every_place_is_drawn_equally_often() -> None:
    """Two pictures of 1 and 4 places, each of one brightness: places decide, not pictures."""
    pictures = [np.full((32, 32, 3), 0, np.uint8), np.full((32, 35, 3), 255, np.uint8)]
    drawn = Patches(pictures, 32).sample(Draw(generator_of(0), 2000))
    assert 0.77 < float((drawn > 0).float().mean()) < 0.83


def test_a_folder_of_pictures(tmp_path: Path) -> None:
    for i in range(5):
        Image.fromarray(np.full((80, 90, 3), i, np.uint8)).save(tmp_path / f"{i}.png")
    photographs = folder(tmp_path)
    assert [int(p[0, 0, 0]) for p in photographs.held_out] == [3]
    assert [int(p[0, 0, 0]) for p in photographs.training] == [0, 1, 2, 4]
    assert photographs.training[0].shape == (40, 45, 3)


def test_the_blocks_of_jpeg_become_pixels(tmp_path: Path) -> None:
    """Debian's mate-backgrounds, halved, have a lattice of period 4: half of a block."""
    for i, picture in enumerate(bundled().training[:2]):
        large = Image.fromarray(picture).resize((640, 640), Image.Resampling.BICUBIC)
        large.save(tmp_path / f"{i}.jpg", quality=10)
    shrunk = folder(tmp_path)
    assert [picture.shape for picture in shrunk.training] == [(80, 80, 3)]
    assert set_lattice(tiled([*shrunk.training, *shrunk.held_out], 64, 18)).found == ()


def test_refusals_name_the_file_and_the_size(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds 0 pictures"):
        folder(tmp_path)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    (tmp_path / "other.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"broken\.png can't be read as a picture"):
        folder(tmp_path)
    with pytest.raises(ValueError, match=r"20 x 10 .* has no patch of 32 x 32"):
        Patches([np.zeros((10, 20, 3), np.uint8)], 32)


def write_idx(path: Path, articles: np.ndarray, magic: int = 0x803) -> None:
    path.write_bytes(gzip.compress(struct.pack(">4I", magic, *articles.shape) + articles.tobytes()))


def test_articles_lie_at_every_phase_each_of_them_once(tmp_path: Path) -> None:
    """Of 64 phases, 960 random places leave none out but for 64 (63/64)^960 = 2e-5; the places are fixed by a seed."""
    articles = np.full((960, 28, 28), 1, np.uint8)
    articles[:, 0, 0] = 200
    for part in ("train", "t10k"):
        write_idx(tmp_path / f"{part}-images-idx3-ubyte.gz", articles)
    photographs = fashion_mnist(tmp_path)
    corners = np.argwhere(np.stack(photographs.training)[..., 0] == 200)
    assert len(corners) == 960
    assert len({tuple(place) for place in (corners[:, 1:] % 8).tolist()}) == 64
    assert not np.array_equal(photographs.training[0], photographs.held_out[0])


@pytest.mark.parametrize(
    "content",
    [b"", b"plain", gzip.compress(b"short"), gzip.compress(struct.pack(">4I", *[7] * 4))],
    ids=["empty", "plain", "short", "other"],  # gzip writes the time of day: two workers would not name them alike
)
def test_a_broken_idx_file_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(content)
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte\.gz (can't be read|is no IDX file)"):
        fashion_mnist(tmp_path)


def test_data_that_is_nowhere_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="apt install dataset-fashion-mnist"):
        fashion_mnist(tmp_path / "absent")
    with pytest.raises(ValueError, match="apt install mate-backgrounds"):
        mate_backgrounds(tmp_path / "absent")
    with pytest.raises(ValueError, match=r"there is no folder .*; --data takes a folder, mate-backgrounds or fashion-"):
        photographs_of(str(tmp_path / "absent"))


@pytest.mark.parametrize(("place", "name"), [(MATE, "mate-backgrounds"), (FASHION, "fashion-mnist")])
def test_the_data_sets_have_no_lattice_of_their_own(place: Path, name: str) -> None:
    if not place.is_dir():
        pytest.skip(f"Debian's {name} is not installed")
    photographs = photographs_of(name)
    for pictures in (photographs.training, photographs.held_out):
        assert set_lattice(tiled(pictures, 64, 40)).found == ()
        Patches(pictures, 32)
