"""An uneven upsampling layer is followed by nothing that could damp its grid.

## What it does
Finds uneven upsampling layers whose grid reaches the output through no convolution or average pool of more than one
position.

## Why is this bad?
A stride-1 convolution behind the layer could at least learn to smooth its grid; a last layer that upsamples hands it
to the picture as it is. That is why grids are strongest where deconvolution is the last layer.

## Example
```python
nn.Sequential(..., nn.ConvTranspose2d(32, 3, 4, stride=2, padding=1), nn.Tanh())
```

## Use instead
A flat layer (FF001, FF002). A stride-1 convolution at the end damps, it does not cure: one of size k removes only
periods that divide k, and only while its weights are a box.

## Is the fix safe?
It changes the architecture: before training only.

## References
Odena, Dumoulin & Olah 2016: stride-1 transposed convolution as a last layer damps artifacts
"""

from __future__ import annotations

from collections.abc import Iterator

from flatfield.network import Layer, Network
from flatfield.rules.rule import Hit, Rule, period_of


def check(network: Network) -> Iterator[Hit]:
    """Uneven layers with a bare way out."""
    for layer in network.layers:
        if not layer.uneven:
            continue
        reached = network.follow(layer)
        if not any(name in reached for name in network.outputs):
            continue
        behind = [other for other in network.layers if other.name in reached and other is not layer]
        if not any(_could_damp(other) for other in behind):
            message = f"no convolution or average pool stands behind it; {period_of(network, layer)}"
            yield Hit(layer, message, "make the layer flat; a stride-1 convolution behind it only damps")


def _could_damp(layer: Layer) -> bool:
    if layer.operator == "SubPixelConv":  # its convolution walks in steps of 1: the stride is the shuffle's
        return max(layer.kernel, default=1) > 1
    smooths = layer.operator in ("Conv", "ConvTranspose") or (layer.operator == "Pool" and layer.mode == "average")
    return smooths and max(layer.kernel, default=1) > max(layer.stride, default=1)


RULE = Rule("FF009", "undamped", "note", check, __doc__, about_grid=True)
