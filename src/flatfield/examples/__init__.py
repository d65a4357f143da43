"""Small networks that ship with flatfield, after the structures in Odena, Dumoulin & Olah 2016; random weights.

The table and `names()` load no deep-learning framework; `load()` imports PyTorch.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["EXAMPLES", "Entry", "Example", "load", "names"]


@dataclass(frozen=True)
class Entry:
    """One row of the table: what the network is, in a line, and the `module:factory` of this package that builds it."""

    description: str
    factory: str


EXAMPLES: dict[str, Entry] = {
    "autoencoder": Entry("auto-encoder, convolutions 4/2 down, deconvolutions 4/2 up", "autoencoder:autoencoder"),
    "deconv": Entry("image generator, every upsampling a deconvolution 3/2", "generator:deconv"),
    "deconv-4": Entry("image generator, deconvolutions 4/2: even overlap", "generator:deconv_4"),
    "deconv-5": Entry("image generator, deconvolutions 5/2", "generator:deconv_5"),
    "deconv-last": Entry("image generator, deconvolution 3/2 in the last layer only", "generator:deconv_last"),
    "deconv-last-two": Entry("image generator, deconvolution 3/2 in the last two layers", "generator:deconv_last_two"),
    "resize": Entry("image generator, every upsampling a nearest resize-convolution", "generator:resize"),
    "resize-bilinear": Entry("image generator, bilinear resize-convolutions", "generator:resize_bilinear"),
    "subpixel": Entry("image generator, sub-pixel convolutions at their default start", "generator:subpixel"),
    "subpixel-icnr": Entry("image generator, sub-pixel convolutions started by ICNR", "generator:subpixel_icnr"),
    "vocoder": Entry("1-D vocoder, mel frames to samples by deconvolutions 16/8, 16/8, 8/4", "vocoder:vocoder"),
    "unet3d": Entry("3-D segmentation U-Net, deconvolutions 3/2 and skip connections", "unet3d:unet3d"),
    "classifier": Entry("image classifier, convolutions 3/2 and a max pool", "classifier:classifier"),
}
"""The networks, in the order in which they are listed and checked."""


@dataclass(frozen=True)
class Example:
    """A network in evaluation mode and an input for it: `module(*inputs)` runs; tensors on the CPU, batch 1."""

    name: str
    description: str
    module: nn.Module
    inputs: tuple[Tensor, ...]


def names() -> tuple[str, ...]:
    """List the names that `load` knows, in the order of the table.

    >>> names()[:3]
    ('autoencoder', 'deconv', 'deconv-4')
    """
    return tuple(EXAMPLES)


def load(name: str, seed: int = 0) -> Example:
    """Build the example `name` with the weights and the input that belong to `seed`.

    PyTorch's random state is left as it was. Raises `ValueError` for an unknown name, `ModuleNotFoundError`
    where PyTorch is not installed.

    >>> example = load("deconv")
    >>> [tuple(x.shape) for x in example.inputs], tuple(example.module(*example.inputs).shape)
    ([(1, 64)], (1, 3, 32, 32))
    """
    if name not in EXAMPLES:
        raise ValueError(f"there is no example {name!r}; the examples are {', '.join(EXAMPLES)}")

    from flatfield.examples.seed import seeded  # noqa: PLC0415 - listing the names must not load PyTorch

    entry = EXAMPLES[name]
    file, factory = entry.factory.split(":")
    build = getattr(import_module(f"{__name__}.{file}"), factory)
    with seeded(seed):
        module = build().eval()
        return Example(name, entry.description, module, module.example_inputs())
