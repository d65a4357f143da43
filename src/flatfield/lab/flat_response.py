"""What a network's decoder makes of a flat field: one tile of its grid, exactly."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from flatfield.lab.patches import GREY_LEVELS

REACH = 4


@dataclass(frozen=True)
class FlatResponse:
    """Tiles (n, channels, *period) of the output for n flat fields, in output units, float64."""

    tiles: Tensor

    @property
    def axes(self) -> tuple[int, ...]:
        """The spatial axes of the tiles."""
        return tuple(range(2, self.tiles.dim()))

    @property
    def unevenness(self) -> float:
        """Rms of what departs from the tile's mean, over the rms of the tile; 0 is flat.

        >>> round(FlatResponse(torch.tensor([[[2.0, 1.0]]])).unevenness, 4)
        0.3162
        """
        deviation = self.tiles - self.tiles.mean(self.axes, keepdim=True)
        whole = float(self.tiles.square().mean())
        return math.sqrt(float(deviation.square().mean()) / whole) if whole > 0 else 0.0

    @property
    def levels(self) -> float:
        """Rms of what departs from the mean, in grey levels of 255."""
        return float(self.each.square().mean().sqrt())

    @property
    def each(self) -> Tensor:
        """The same for every flat field on its own, (n,)."""
        deviation = self.tiles - self.tiles.mean(self.axes, keepdim=True)
        return GREY_LEVELS * deviation.square().mean((1, *self.axes)).sqrt()

    def levels_of(self, period: int) -> float:
        """Rms in grey levels of the component that belongs to `period` alone: not to any of its proper divisors.

        Averaging a tile over shifts by p leaves the part with period p; what period 4 adds to period 2 is the rest.

        >>> two = FlatResponse(torch.tensor([[[1.0, -1.0, 1.0, -1.0]]]) / GREY_LEVELS)
        >>> round(two.levels_of(2), 6), round(two.levels_of(4), 6)
        (1.0, 0.0)
        """
        return GREY_LEVELS * float((self._within(period) - self._within(period // 2)).square().mean().sqrt())

    def _within(self, period: int) -> Tensor:
        part = self.tiles
        for axis in self.axes:
            copies = self.tiles.shape[axis] // math.gcd(period, self.tiles.shape[axis])
            shape = (*part.shape[:axis], copies, part.shape[axis] // copies, *part.shape[axis + 1 :])
            part = part.reshape(shape).mean(axis, keepdim=True).expand(shape).reshape(self.tiles.shape)
        return part

    def periods(self, least: float) -> tuple[int, ...]:
        """List the periods 2, 4, 8 ... whose own component is at least `least` grey levels."""
        longest = max(self.tiles.shape[axis] for axis in self.axes)
        powers = [2**i for i in range(1, longest.bit_length())]
        return tuple(p for p in powers if p <= longest and self.levels_of(p) >= least)


@torch.no_grad()
def flat_response(network: Callable[[Tensor], Tensor], values: Tensor, stages: int, dims: int = 2) -> FlatResponse:
    """Run `network`, which doubles `stages` times, on fields that are flat: `values` (n, channels), one field a row.

    Run wide enough that borders don't reach the middle: a stage looks at most two samples of its input to either side
    (bilinear, three taps), so the tile in the middle sees no more than `2 + 1 + 1/2 ...` < 4 samples to either side.
    Weights must be float64 for the answer to be exact.

    >>> tiles = flat_response(torch.nn.Upsample(scale_factor=2), torch.ones(1, 3), stages=1).tiles
    >>> tuple(tiles.shape), bool(tiles.std() == 0)
    ((1, 3, 2, 2), True)
    """
    field = values.reshape(*values.shape, *(1,) * dims).expand(*values.shape, *(2 * REACH + 1,) * dims)
    painted = network(field.contiguous())
    tile = 2**stages
    middle = slice(REACH * tile, (REACH + 1) * tile)
    return FlatResponse(painted[(slice(None), slice(None), *(middle,) * dims)].double())


def exact(network: nn.Module) -> Any:
    """Copy a network to the CPU in float64, in evaluation mode."""
    return copy.deepcopy(network).cpu().double().eval()


@torch.no_grad()
def decoder_response(
    painter: nn.Module, inputs: Tensor, colours: Callable[[Tensor], Tensor] = lambda x: x
) -> FlatResponse:
    """Run a painter's `decoder`, in float64, on the flat features that `inputs` give.

    `inputs` are flat pictures (their features are flat, but for the borders: the middle one is taken), or latent
    vectors (of whose features the mean is taken). `colours` is what follows the decoder, position by position.
    """
    network = exact(painter)
    features = network.features(inputs.double())
    dims = network.decoder.dims
    axes = tuple(range(2, 2 + dims))
    middle = tuple(features.shape[axis] // 2 for axis in axes)
    flat = features.mean(axes) if inputs.dim() == 2 else features[(slice(None), slice(None), *middle)]
    return flat_response(lambda x: colours(network.decoder(x)), flat, len(network.decoder.stages), dims)
