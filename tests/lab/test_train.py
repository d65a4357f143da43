"""The training loop: resumed, shared by two processes, and refused when it diverges."""

import json
import math
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.fabric import Fabric

from flatfield.lab.families import FAMILIES
from flatfield.lab.patches import Patches, tiled
from flatfield.lab.photographs import bundled
from flatfield.lab.recipe import Recipe
from flatfield.lab.task import Networks, Task
from flatfield.lab.tasks.reconstruction import Reconstruction
from flatfield.lab.train import Row, Trained, Watch, train

RECIPE = Recipe(steps=8, batch=4)


def task(stage: str = "deconv-3") -> Reconstruction:
    return Reconstruction(Patches(bundled().training, 32), (stage,) * 3, width=16)


def losses(trained: Trained) -> list[Any]:
    return [tuple(row.values()) for row in trained.losses]


class KilledError(Exception):
    pass


def killed_after(step: int) -> Any:
    def progress(done: int, total: int) -> None:
        if done == step:
            raise KilledError

    return progress


def observe(step: int, networks: Networks) -> Sequence[Row]:
    return [{"sum": float(sum(p.detach().sum() for p in networks["painter"].parameters()))}]


@pytest.mark.parametrize("family", ["autoencoder", "gan", "superresolution"])
@pytest.mark.parametrize("stage", ["deconv-4", "flat-4"])
def test_a_killed_training_goes_on_to_the_same_end(family: str, stage: str, fabric: Fabric, tmp_path: Path) -> None:
    found = FAMILIES[family]
    work: Task = found.task(Patches(bundled().training, 32), (stage,) * found.depth, 16)
    watch = Watch((0, 3, 8), observe)
    whole = train(work, RECIPE, fabric, 1, watch=watch)
    place = tmp_path / "state.pt"
    for kill in (3, 6):
        with pytest.raises(KilledError):
            train(work, RECIPE, fabric, 1, checkpoint=place, every=0.0, watch=watch, progress=killed_after(kill))
    resumed = train(work, RECIPE, fabric, 1, checkpoint=place, watch=watch)
    assert losses(resumed) == losses(whole)
    assert resumed.observed == whole.observed
    assert [row["step"] for row in whole.observed] == [0, 3, 8]
    for name, network in whole.networks.items():
        for ours, theirs in zip(network.parameters(), resumed.networks[name].parameters(), strict=True):
            assert torch.equal(ours, theirs)


def test_seeds_differ_and_repeat(fabric: Fabric) -> None:
    first, again, other = (losses(train(task(), RECIPE, fabric, seed)) for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_every_step_draws_anew(fabric: Fabric) -> None:
    """At a learning rate of 0 only the batch changes the loss."""
    still = [row["error"] for row in train(task(), replace(RECIPE, rate=0.0), fabric, 0).losses]
    assert len(set(still)) == len(still)


def test_training_leaves_the_random_state_alone(fabric: Fabric) -> None:
    before = torch.random.get_rng_state()
    train(task(), replace(RECIPE, steps=2), fabric, 0)
    assert torch.equal(before, torch.random.get_rng_state())


def test_it_learns(fabric: Fabric) -> None:
    trained = train(task("nearest"), Recipe(steps=60, batch=8, rate=6e-3), fabric, 0)
    assert trained.losses[-1]["error"] < 0.5 * trained.losses[0]["error"]


def test_a_flat_network_stays_flat_and_its_average_too(fabric: Fabric) -> None:
    found = FAMILIES["autoencoder"]
    patches = Patches(bundled().training, 32)
    trained = train(found.task(patches, ("flat-4",) * 3, 16), RECIPE, fabric, 0)
    assert found.flat(trained.networks, tiled(bundled().held_out, 32, 8)).levels < 1e-4


def test_a_diverging_loss_is_refused(fabric: Fabric) -> None:
    recipe = Recipe(steps=50, batch=2, rate=1e30, clip=1e30)
    with pytest.raises(ValueError, match=r"error loss became (nan|inf) at step \d+: lower the learning rate"):
        train(task(), recipe, fabric, 0)


SHARED = """
import json, sys
import torch
torch.set_num_threads(1)
from flatfield.lab.families import FAMILIES
from flatfield.lab.hardware import Hardware
from flatfield.lab.patches import Patches
from flatfield.lab.photographs import bundled
from flatfield.lab.recipe import Recipe
from flatfield.lab.train import train

fabric = Hardware().fabric()
patches, told = Patches(bundled().training, 32), {"world": fabric.world_size}
for name in sys.argv[2:]:
    found = FAMILIES[name]
    task = found.task(patches, ("flat-4",) * found.depth, 16)
    told[name] = train(task, Recipe(steps=6, batch=8), fabric, 3).losses
if fabric.is_global_zero:
    with open(sys.argv[1], "w") as file:
        json.dump(told, file)
"""
SHARING = ("autoencoder", "gan", "superresolution")


def test_two_processes_train_as_one_with_the_doubled_batch(fabric: Fabric, tmp_path: Path) -> None:
    script, out = tmp_path / "shared.py", tmp_path / "losses.json"
    script.write_text(SHARED, encoding="utf-8")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", str(script)]
    result = subprocess.run([*command, str(out), *SHARING], capture_output=True, text=True, timeout=200, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
    shared = json.loads(out.read_text(encoding="utf-8"))
    assert shared["world"] == 2
    for family in SHARING:
        found = FAMILIES[family]
        work = found.task(Patches(bundled().training, 32), ("flat-4",) * found.depth, 16)
        alone = train(work, Recipe(steps=6, batch=8), fabric, 3).losses
        assert len(shared[family]) == len(alone) == 6
        for ours, theirs in zip(alone, shared[family], strict=True):
            assert ours.keys() == theirs.keys()
            assert all(math.isclose(ours[name], theirs[name], abs_tol=1e-4) for name in ours), (family, ours, theirs)
