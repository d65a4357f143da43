"""An interpolation and the convolution behind it can be one layer that does less work.

## What it does
Finds interpolations by a whole factor whose only reader is a stride-1 convolution, and counts what fusing the two
saves.

## Why is this bad?
The plain way convolves the enlarged picture, in which neighbours are copies of each other. Resize-convolution is
linear, so it folds into one small kernel for each phase (nearest), or mixes channels at low resolution before it
interpolates: the same function, fewer multiply-adds, and no enlarged tensor in memory.

## Example
```python
nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(64, 32, 3, padding=1))  # 36 multiply-adds a position
```

## Use instead
```python
flatfield.nn.ResizeConv2d(64, 32, 3, scale_factor=2)  # 16 by phase kernels, 9 by mixing at low resolution
```

## Is the fix safe?
Yes: the function is the same to rounding, and the parameters have the same names and shapes.

## References
flatfield's design: phase kernels of a folded interpolation (Odena, Dumoulin & Olah 2016 name the cost)
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from flatfield.network import Layer, Network
from flatfield.rules.rule import Hit, Rule, cure_class, times


def check(network: Network) -> Iterator[Hit]:
    """Interpolation read by one stride-1 convolution and nothing else."""
    layers = {layer.name: layer for layer in network.layers}
    for layer in network.layers:
        source = layers.get(layer.inputs[0]) if len(layer.inputs) == 1 else None
        if source is None or not _foldable(source, layer):
            continue
        readers = [other for other in network.layers if source.name in other.inputs]
        if len(readers) != 1 or source.name in network.outputs:
            continue
        now = math.prod(source.stride) * math.prod(layer.kernel)
        fused = fused_multiply_adds(source, layer)
        saved = layer.multiply_adds - layer.multiply_adds * fused // now
        message = (
            f"{source.mode} x{times(source.stride)} by {source.name}, then kernel {times(layer.kernel)}: {now} "
            f"multiply-adds for each input position and channel pair, {fused} fused ({saved / 1e6:.3g} million saved)"
        )
        yield Hit(layer, message, f"{cure_class('ResizeConv', layer)}.from_pair(upsample, conv) computes the same")


def _foldable(source: Layer, layer: Layer) -> bool:
    return (
        source.operator == "Resize"
        and source.upsamples
        and source.mode in ("nearest", "nearest-exact", "linear", "cubic")
        and (layer.operator, layer.between) == ("Conv", ())
        and all(s == 1 for s in layer.stride)
        and source.dims == layer.dims
        and max(layer.kernel) > 1
        and not _of_one_module(source, layer)
    )


def _of_one_module(source: Layer, layer: Layer) -> bool:
    """A module without children that does both, as ResizeConv does, is one layer and has its own way to compute it."""
    return source.name.partition("#")[0] == layer.name.partition("#")[0]


def fused_multiply_adds(source: Layer, layer: Layer) -> int:
    """Multiply-adds of the fused layer for each input position: phase kernels, or mixing at low resolution.

    Nearest by s and a kernel of k fold to k + s - 1 taps an axis; any other interpolation mixes k taps first.
    """
    mixed = math.prod(layer.kernel)
    if not source.mode.startswith("nearest"):
        return mixed
    return math.prod(d * (k - 1) + s for k, s, d in zip(layer.kernel, source.stride, layer.dilation, strict=True))


RULE = Rule("FF008", "fusable", "note", check, __doc__)
