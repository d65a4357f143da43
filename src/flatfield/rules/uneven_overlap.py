"""A transposed convolution writes more often to some outputs than to others.

## What it does
Finds transposed convolutions (and folds of overlapping windows) whose kernel is not a multiple of their stride,
dilation counted: the number of inputs that write to an output then depends on the output's phase.

## Why is this bad?
The layer draws a checkerboard of the stride's period before it has learned anything, and has to learn weights that
work against it. The counts of the axes multiply: what is 2 to 1 in one dimension is 4 to 1 in two and 8 to 1 in
three.

## Example
```python
nn.ConvTranspose2d(64, 32, kernel_size=3, stride=2)  # 1 to 4 inputs write to an output
```

## Use instead
```python
flatfield.nn.ResizeConv2d(64, 32, kernel_size=3, scale_factor=2)
```
or `flatfield.nn.FlatConvTranspose2d`, whose weights are confined to those that answer a flat input with a flat
output. A kernel that is a multiple of the stride (4/2) evens the overlap, not the weights: see FF002.

## Is the fix safe?
Before training, yes; mind the output size where padding and output padding differ. Trained weights do not carry over
one to one: flattening a finished model cost those of the laboratory half a dB to 1.2 dB, and it has to be trained on.

## References
Odena, Dumoulin & Olah, "Deconvolution and Checkerboard Artifacts", Distill 2016, doi:10.23915/distill.00003
"""

from __future__ import annotations

from collections.abc import Iterator

from flatfield.core import FLAT
from flatfield.network import Network
from flatfield.rules.rule import Hit, Rule, cure_class, level_of, period_of, times


def check(network: Network) -> Iterator[Hit]:
    """Uneven overlap that the weights do not make good."""
    for layer in network.layers:
        least, most = int(layer.overlap.min()), int(layer.overlap.max())
        if not layer.upsamples or least == most:
            continue
        if layer.unevenness is not None and layer.unevenness <= FLAT:
            continue  # flat weights on an uneven overlap: nothing comes out uneven
        message = (
            f"kernel {times(layer.kernel)}, stride {times(layer.stride)}: {least} to {most} inputs write to an output; "
            f"{level_of(layer.unevenness)}, {period_of(network, layer)}"
        )
        resize, flat = cure_class("ResizeConv", layer), cure_class("FlatConvTranspose", layer)
        yield Hit(layer, message, f"use {resize} or {flat}, then train")


RULE = Rule("FF001", "uneven-overlap", "error", check, __doc__, about_grid=True)
