"""Small auto-encoders trained on photographs' patches in seconds, and what they are judged by."""

from __future__ import annotations

import functools

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from flatfield.lab.draw import Draw, generator_of
from flatfield.lab.patches import Patches, tiled
from flatfield.lab.photographs import bundled
from flatfield.lab.quality import psnr
from flatfield.lab.recipe import Recipe
from flatfield.lab.tasks.reconstruction import Reconstruction
from flatfield.lab.train import train

STAGES, WIDTH, STEPS = 2, 32, 300


@functools.cache
def trained(upsampler: str, seed: int = 0) -> nn.Module:
    """An auto-encoder of two stages; four seconds of one core."""
    task = Reconstruction(Patches(bundled().training, 32), (upsampler,) * STAGES, WIDTH)
    recipe = Recipe(STEPS, 32, rate=6e-3)
    return train(task, recipe, Fabric(accelerator="cpu"), seed).networks["painter"].eval()


@functools.cache
def patches(count: int) -> Tensor:
    """Patches of the training photographs, as examples."""
    return Patches(bundled().training, 32).sample(Draw(generator_of(5, "examples"), count))


@torch.no_grad()
def quality(module: nn.Module) -> float:
    """PSNR in dB on patches of photographs that nobody has learnt from."""
    held_out = tiled(bundled().held_out, 32, 112)
    return psnr(module(held_out), held_out)
