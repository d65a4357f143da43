"""Weights of finished trainings: loaded as they were, refused where they don't fit."""

from pathlib import Path

import numpy as np
import pytest
import torch

from flatfield.lab.cost import step_multiply_adds
from flatfield.lab.experiment import Cell, Outcome
from flatfield.lab.models.autoencoder import Autoencoder
from flatfield.lab.patches import Patches
from flatfield.lab.runs import RunFolder
from flatfield.lab.tasks.reconstruction import Reconstruction
from flatfield.lab.weights import load_weights, save_weights

PICTURE = torch.linspace(-1, 1, 3 * 16 * 16).view(1, 3, 16, 16)


@pytest.mark.parametrize("stage", ["deconv-3", "flat-4", "nearest"])
def test_a_kept_network_paints_the_same(stage: str, tmp_path: Path) -> None:
    cell, place = Cell("autoencoder", stage, 0), RunFolder(tmp_path)
    network, other = (Autoencoder((stage,) * 2, 16) for _ in range(2))
    place.save(cell, Outcome([{"value": 1}], networks={"painter": network}))
    load_weights(place.weights(cell, "painter"), other)
    assert torch.equal(network(PICTURE), other(PICTURE))
    assert [file.name for file in (tmp_path / "networks").iterdir()] == [f"autoencoder.{stage}.0.painter.npz"]


def test_what_does_not_fit_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "kept.npz"
    save_weights(path, Autoencoder(("deconv-3",) * 2, 16))
    for other in (Autoencoder(("deconv-4",) * 2, 16), Autoencoder(("deconv-3",) * 2, 32)):
        before = other(PICTURE)
        with pytest.raises(ValueError, match=r"kept\.npz holds the weights of another network: .*decoder\.stages\.0"):
            load_weights(path, other)
        assert torch.equal(other(PICTURE), before)


def test_a_pickle_is_never_loaded(tmp_path: Path) -> None:
    path = tmp_path / "pickle.npz"
    with path.open("wb") as file:
        np.savez(file, weight=np.array([print], dtype=object))
    with pytest.raises(ValueError, match=r"pickle\.npz can't be read as weights: Object arrays"):
        load_weights(path, torch.nn.Linear(1, 1))
    with pytest.raises(ValueError, match=r"absent\.npz can't be read as weights"):
        load_weights(tmp_path / "absent.npz", torch.nn.Linear(1, 1))


def test_multiply_adds_of_a_step_are_those_of_its_layers() -> None:
    """One stage, no encoder to speak of: what a resize-convolution adds is 9/4 - 1 of its transposed convolution."""
    patches = Patches([np.zeros((32, 32, 3), np.uint8)], 32)
    ours, theirs = (step_multiply_adds(Reconstruction(patches, (s,), 16), 2) for s in ("nearest", "deconv-4"))
    # 16 channels to 3 at 32 x 32 for two pictures: 9 taps a pixel against 16 taps a pixel of 16 x 16, and each counts
    # three times: forward, back to the input, back to the weights
    assert ours - theirs == 3 * 2 * 16 * 3 * (9 * 32 * 32 - 16 * 16 * 16)
