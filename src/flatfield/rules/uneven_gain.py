"""A transposed convolution overlaps evenly, but its weights do not weigh its phases alike.

## What it does
Finds transposed convolutions whose overlap is even (the kernel is a multiple of the stride) and whose phase gains
still differ: a flat input comes out with a grid.

## Why is this bad?
"Kernel divisible by stride, so it is safe" is a widespread error. Even overlap makes the default even, with all
weights equal; random and learned weights are still uneven, phase by phase, and training does not cure it.

## Example
```python
nn.ConvTranspose2d(64, 32, kernel_size=4, stride=2, padding=1)  # unevenness about 0.87 at initialisation
```

## Use instead
```python
flatfield.nn.FlatConvTranspose2d(64, 32, kernel_size=4, stride=2, padding=1)
```
or resize-convolution. An existing layer is confined to flat weights by `flatfield.nn.flatten_weights(layer)`.

## Is the fix safe?
Before training, yes. On a trained model the projection destroys detail that the phases carry: train on afterwards, for
instance by imitating the original's outputs.

## References
Odena, Dumoulin & Olah 2016, "Overlap & Learning"; Sugawara, Shiota & Kiya 2018 (polyphase DC condition)
"""

from __future__ import annotations

from collections.abc import Iterator

from flatfield.network import Network
from flatfield.rules.rule import Hit, Rule, cure_class, level_of, period_of, times


def check(network: Network) -> Iterator[Hit]:
    """Even overlap, uneven gains."""
    for layer in network.layers:
        even = layer.overlap.min() == layer.overlap.max()
        if layer.operator != "ConvTranspose" or not even or not layer.uneven:
            continue
        message = (
            f"kernel {times(layer.kernel)}, stride {times(layer.stride)} overlaps evenly, its weights do not: "
            f"{level_of(layer.unevenness)}, {period_of(network, layer)}"
        )
        flat, resize = cure_class("FlatConvTranspose", layer), cure_class("ResizeConv", layer)
        yield Hit(layer, message, f"use {flat}, flatten_weights(layer) or {resize}, then train")


RULE = Rule("FF002", "uneven-gain", "warning", check, __doc__, about_grid=True)
