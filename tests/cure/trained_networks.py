"""Auto-encoders trained on photographs, once: kept in a folder that git ignores until the code that trains changes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import torch
from tests.fetching import CACHE, lock
from torch import Tensor, nn

import flatfield
from flatfield.lab.hardware import Hardware
from flatfield.lab.models.autoencoder import Autoencoder
from flatfield.lab.models.vocoder import Vocoder
from flatfield.lab.patches import Patches, to_tensor
from flatfield.lab.photographs import bundled
from flatfield.lab.recipe import Recipe
from flatfield.lab.sounds import TRAINING, WINDOW, Pieces, sounds
from flatfield.lab.task import Task
from flatfield.lab.tasks.reconstruction import Reconstruction
from flatfield.lab.tasks.vocoding import Vocoding
from flatfield.lab.train import train

Painter = TypeVar("Painter", bound=nn.Module)
STEPS, BATCH, WIDTH, STAGES = 500, 16, 32, 2
PERIOD = 2**STAGES
VOCODER_STEPS, VOCODER_STAGES = 250, 4
TRAINERS = ("train", "recipe", "draw", "patches", "photographs", "sounds", "upsampling", "averaged",
            "tasks/reconstruction", "tasks/vocoding", "models/autoencoder", "models/decoder",
            "models/vocoder")  # fmt: skip


def trained(upsampler: str, seed: int) -> Autoencoder:
    """Train an auto-encoder, about five seconds of one core, or load it."""
    task = Reconstruction(Patches(list(bundled().training), 32), (upsampler,) * STAGES, WIDTH)
    network = Autoencoder((upsampler,) * STAGES, WIDTH)
    return _kept(f"{upsampler}-{seed}", network, task, STEPS, seed)


def trained_vocoder(upsampler: str) -> Vocoder:
    """Train a vocoder, about three seconds of one core, or load it: period 16."""
    stages = (upsampler,) * VOCODER_STAGES
    network = Vocoder(stages, WINDOW // 2 + 1, WIDTH)
    return _kept(f"vocoder-{upsampler}", network, Vocoding(Pieces(sounds(TRAINING)), stages, WIDTH), VOCODER_STEPS, 0)


def _kept(name: str, network: Painter, task: Task, steps: int, seed: int) -> Painter:
    kept = CACHE / "trained" / f"{name}-{_key()}.pt"
    with lock("trained"):
        if not kept.exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            threads = torch.get_num_threads()
            torch.set_num_threads(1)
            with torch.enable_grad():
                found = train(task, Recipe(steps, BATCH, rate=6e-3), Hardware().fabric(), seed).networks["painter"]
            torch.set_num_threads(threads)
            written = kept.with_suffix(".part")
            torch.save(found.state_dict(), written)
            written.rename(kept)
    network.load_state_dict(torch.load(kept, weights_only=True))
    return network.eval()


def _key() -> str:
    digest = hashlib.sha256(f"{torch.__version__} {STEPS} {BATCH} {WIDTH} {STAGES} {VOCODER_STEPS}".encode())
    for name in TRAINERS:
        digest.update(Path(flatfield.__file__).parent.joinpath("lab", f"{name}.py").read_bytes())
    return digest.hexdigest()[:16]


def halves() -> tuple[list[Tensor], list[Tensor]]:
    """The two photographs that no network was trained on, (1, 3, h, w) each: left halves, and right halves."""
    left, right = [], []
    for picture in bundled().held_out:
        whole = to_tensor(picture)[None]
        height, width = whole.shape[2] // 8 * 8, whole.shape[3] // 16 * 8
        left.append(whole[..., :height, :width])
        right.append(whole[..., :height, width : 2 * width])
    return left, right


def pieces(pictures: list[Tensor], size: int) -> Tensor:
    """Cut pictures into squares, (n, 3, size, size)."""
    cut = [p.unfold(2, size, size).unfold(3, size, size).permute(0, 2, 3, 1, 4, 5) for p in pictures]
    return torch.cat([squares.reshape(-1, 3, size, size) for squares in cut])


def inner(pictures: Iterator[Tensor] | list[Tensor]) -> list[Tensor]:
    """Leave out one period at the borders, where the networks' zero padding shows."""
    return [picture[..., PERIOD:-PERIOD, PERIOD:-PERIOD] for picture in pictures]


@torch.no_grad()
def painted(network: nn.Module, pictures: list[Tensor]) -> list[Tensor]:
    """Run a network."""
    return [network(picture) for picture in pictures]


def locked(pictures: list[Tensor]) -> float:
    """What pictures of several sizes have in common at each phase, in grey levels: the laboratory's `phase_locked`."""
    tiles, count = torch.zeros(3, PERIOD, PERIOD, dtype=torch.float64), 0
    for picture in pictures:
        _, channels, height, width = picture.shape
        shape = (channels, height // PERIOD, PERIOD, width // PERIOD, PERIOD)
        tiles += picture[0].double().reshape(shape).sum((1, 3))
        count += height // PERIOD * (width // PERIOD)
    away = tiles / count
    away -= away.mean((1, 2), keepdim=True)
    return 127.5 * float(away.square().mean().sqrt())
