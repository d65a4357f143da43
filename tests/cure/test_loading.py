"""Examples from files: cropped to the model's input, scaled to its range, and never a pickle."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from flatfield.cure.curing import opened_model
from flatfield.cure.loading import Range, load_examples
from flatfield.cure.world import World, world_of


def world(*shapes: Sequence[int]) -> World:
    """A module that takes inputs of these shapes."""

    class Takes(nn.Module):
        def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
            return sum(x.mean() for x in inputs)

    return world_of(opened_model(Takes(), tuple(torch.zeros(*shape) for shape in shapes), None))


def picture(path: Path, size: tuple[int, int], colour: Any = None) -> Path:
    rng = np.random.default_rng(0)
    pixels = (
        rng.integers(0, 256, (size[1], size[0], 3)) if colour is None else np.broadcast_to(colour, (*size[::-1], 3))
    )
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return path


def test_pictures_are_cropped_and_scaled(tmp_path: Path) -> None:
    picture(tmp_path / "white.png", (40, 30), (255, 255, 255))
    picture(tmp_path / "black.png", (40, 30), (0, 0, 0))
    (tmp_path / "notes.txt").write_text("not a picture", encoding="utf-8")
    found = load_examples([str(tmp_path)], world((1, 3, 16, 16)), Range(-1.0, 1.0))
    assert {tuple(batch[0].shape) for batch in found.batches} == {(1, 3, 16, 16)}
    assert {float(batch[0].mean()) for batch in found.batches} == {-1.0, 1.0}
    assert found.source == f"{len(found.batches)} crops of 2 pictures"


def test_crops_lie_at_every_phase_of_a_jpeg_block(tmp_path: Path) -> None:
    """A ramp along x tells where a crop begins."""
    ramp = np.broadcast_to(np.arange(128, dtype=np.uint8)[None, :, None], (64, 128, 3))
    Image.fromarray(np.ascontiguousarray(ramp)).save(tmp_path / "ramp.png")
    found = load_examples([str(tmp_path / "*.png")], world((1, 1, 16, 16)), Range(0.0, 255.0))
    starts = {round(float(batch[0][0, 0, 0, 0])) % 8 for batch in found.batches}
    assert starts == set(range(8))


def test_small_pictures_are_enlarged_and_it_is_said(tmp_path: Path) -> None:
    picture(tmp_path / "small.png", (12, 8))
    found = load_examples([str(tmp_path / "small.png")], world((1, 3, 32, 32)))
    assert "enlarged to fit" in found.source
    assert tuple(found.batches[0][0].shape) == (1, 3, 32, 32)


def test_batches_keep_the_models_size(tmp_path: Path) -> None:
    picture(tmp_path / "one.png", (64, 64))
    found = load_examples([str(tmp_path)], world((4, 3, 16, 16), (4, 7)))
    assert {tuple(batch[0].shape) for batch in found.batches} == {(4, 3, 16, 16)}
    assert {tuple(batch[1].shape) for batch in found.batches} == {(4, 7)}


def test_a_picture_that_can_not_be_read_is_counted(tmp_path: Path) -> None:
    picture(tmp_path / "good.png", (32, 32))
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n cut off")
    assert "1 could not be read" in load_examples([str(tmp_path)], world((1, 3, 16, 16))).source
    (tmp_path / "good.png").unlink()
    with pytest.raises(ValueError, match=r"0 crops of 1 pictures are too few for a batch of 1 \(.*bad\.png: "):
        load_examples([str(tmp_path)], world((1, 3, 16, 16)))


def test_arrays_are_inputs_in_order_or_by_name(tmp_path: Path) -> None:
    np.save(tmp_path / "latents.npy", np.arange(24.0).reshape(6, 4))
    found = load_examples([str(tmp_path / "latents.npy")], world((2, 4)))
    assert [batch[0].tolist() for batch in found.batches][1] == [[8.0, 9.0, 10.0, 11.0], [12.0, 13.0, 14.0, 15.0]]
    np.savez(tmp_path / "two.npz", a=np.zeros((3, 4)), b=np.ones((3, 5)))
    two = load_examples([str(tmp_path / "two.npz")], world((1, 4), (1, 5)))
    assert len(two.batches) == 3
    assert float(two.batches[0][1].mean()) == 1.0


def test_a_pickle_is_never_loaded(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.write_text, (tmp_path / "ran", "it ran")

    np.save(tmp_path / "bomb.npy", np.array([Bomb()], dtype=object), allow_pickle=True)
    (tmp_path / "plain.npy").write_bytes(pickle.dumps(Bomb()))
    for name in ("bomb.npy", "plain.npy"):
        with pytest.raises(ValueError, match=rf"{name} can't be read: "):
            load_examples([str(tmp_path / name)], world((1, 4)))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("array", "shapes", "told"),
    [
        (np.zeros((3, 5)), [(1, 4)], r"an array of float64 \(3, 5\) does not fit input 0 of \(1, 4\)"),
        (np.zeros((1, 4)), [(2, 4)], "hold no equal number of whole batches"),
        (np.array(["a"]), [(1,)], "does not fit input 0"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    array: np.ndarray, shapes: list[tuple[int, ...]], told: str, tmp_path: Path
) -> None:
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(ValueError, match=told):
        load_examples([str(tmp_path / "x.npy")], world(*shapes))


def test_what_is_no_example_is_refused(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", (32, 32))
    np.save(tmp_path / "a.npy", np.zeros((1, 4)))
    with pytest.raises(ValueError, match="both pictures and"):
        load_examples([str(tmp_path)], world((1, 3, 16, 16)))
    with pytest.raises(ValueError, match="the model has 0 inputs for pictures"):
        load_examples([str(tmp_path / "a.png")], world((1, 4)))
    with pytest.raises(ValueError, match="a picture can't fill 5 channels"):
        load_examples([str(tmp_path / "a.png")], world((1, 5, 16, 16)))
    with pytest.raises(ValueError, match="is not there"):
        load_examples([str(tmp_path / "nowhere")], world((1, 3, 16, 16)))


@pytest.mark.parametrize("text", ["1", "0,1,2", "a,b", "1,0", "0,inf"])
def test_a_range_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"--range {text}: "):
        Range.parse(text)
