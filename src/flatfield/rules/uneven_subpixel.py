"""A sub-pixel convolution's phases are not equal: ICNR is missing, lost, or in the wrong order.

## What it does
Finds convolutions followed by a pixel shuffle whose phases answer a flat input differently, and says which of
three things it is: no sign of ICNR; ICNR written in the wrong channel order (equal when the channels are counted
phase first, as in TensorFlow's depth_to_space, but not in PyTorch's order); or equal weights with unequal biases.
With a box right behind that takes the grid out, phases may be as they like.

## Why is this bad?
The phases of a sub-pixel convolution are independent filters. With independent random weights the output has a grid
of the shuffle's period from the first step on. ICNR starts them equal; in the wrong order it repeats one phase's
filter across channels instead, and the grid stays.

## Example
```python
nn.Sequential(nn.Conv2d(64, 4 * 3, 3, padding=1), nn.PixelShuffle(2))  # unevenness about 0.87
```

## Use instead
```python
flatfield.nn.SubPixelConv2d(64, 3, kernel_size=3, scale_factor=2)  # ICNR, weight and bias
```
ICNR is an initialisation: training loses it. `flatfield.nn.flatten_weights` keeps the phases' gains equal for good.

## Is the fix safe?
Before training, yes. In a trained model the phases carry detail: it has to be trained on afterwards.

## References
Shi et al. 2016 (sub-pixel convolution); Aitken et al. 2017, "Checkerboard artifact free sub-pixel convolution"
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from flatfield.core import FLAT, unevenness
from flatfield.network import Layer, Network
from flatfield.rules.rule import Hit, Rule, cure_class, level_of, period_of, times


def check(network: Network) -> Iterator[Hit]:
    """Sub-pixel convolutions with unequal phases."""
    for layer in network.layers:
        if layer.operator != "SubPixelConv" or network.smoothed(layer):
            continue
        if layer.uneven:
            what, cure = _unequal_weights(layer)
        elif bias_unevenness(layer) > FLAT:
            what = f"phases have equal weights but unequal biases (unevenness {bias_unevenness(layer):.3f})"
            cure = "initialise the bias like the weight: flatfield.nn.icnr_ does both"
        else:
            continue
        message = f"shuffle by {times(layer.stride)}: {what}; {level_of(layer.unevenness)}, {period_of(network, layer)}"
        yield Hit(layer, message, cure)


def _unequal_weights(layer: Layer) -> tuple[str, str]:
    if phase_first_unevenness(layer) <= FLAT:
        return (
            "ICNR in the wrong channel order (phases are equal only when counted phase first)",
            "repeat each filter prod(scale) times in a row (repeat_interleave, not tile): flatfield.nn.icnr_",
        )
    return (
        "phases are not equal (no ICNR, or lost in training)",
        f"{cure_class('SubPixelConv', layer)} starts them equal, flatten_weights(conv) keeps them equal; then train",
    )


def phase_first_unevenness(layer: Layer) -> float:
    """Unevenness if the output channels were counted phase first, channel last (TensorFlow's order)."""
    if layer.weight is None:
        return math.inf
    weight = layer.weight.load()
    response = weight.sum(axis=tuple(range(2, weight.ndim)), dtype=np.float64)
    return unevenness(response.reshape(math.prod(layer.stride), -1, weight.shape[1]))


def bias_unevenness(layer: Layer) -> float:
    """Unevenness of the biases of the phases, 0 without a bias."""
    if layer.bias is None:
        return 0.0
    phases = layer.bias.load().reshape(-1, math.prod(layer.stride)).T
    return unevenness(phases[:, :, None])


RULE = Rule("FF003", "uneven-subpixel", "warning", check, __doc__, about_grid=True)
