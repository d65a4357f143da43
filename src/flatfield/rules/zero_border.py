"""An upsampling convolution pads with zeros: its borders come out darker.

## What it does
Finds convolutions directly behind an interpolation, and sub-pixel convolutions, that pad with zeros.

## Why is this bad?
Zeros beyond the edge are a step in the picture. A flat field comes out with a frame, and each further upsampling
layer makes the frame wider.

## Example
```python
nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(64, 32, 3, padding=1))
```

## Use instead
```python
flatfield.nn.ResizeConv2d(64, 32, 3, scale_factor=2, padding_mode="reflect")
```

## Is the fix safe?
Shapes stay. A trained model has learned its frame: a few pixels at the border change.

## References
Odena, Dumoulin & Olah 2016, "Better upsampling" (resize, then pad symmetrically, then convolve)
"""

from __future__ import annotations

from collections.abc import Iterator

from flatfield.network import Layer, Network
from flatfield.rules.rule import Hit, Rule, times


def check(network: Network) -> Iterator[Hit]:
    """Zero padding where it is magnified."""
    layers = {layer.name: layer for layer in network.layers}
    for layer in network.layers:
        if layer.padding_mode != "zeros" or not _upsampling_convolution(layer, layers):
            continue
        padding = tuple(max(pair) for pair in layer.padding)
        message = f"{times(padding)} zeros are padded in front of an upsampling convolution ({times(layer.kernel)})"
        yield Hit(layer, message, 'padding_mode="reflect" or "replicate"')


def _upsampling_convolution(layer: Layer, layers: dict[str, Layer]) -> bool:
    if not any(max(pair) > 0 for pair in layer.padding):
        return False
    if layer.operator == "SubPixelConv":
        return True
    sources = [layers[name] for name in layer.inputs]
    return (
        layer.operator == "Conv"
        and not layer.between
        and any(source.operator == "Resize" and source.upsamples for source in sources)
    )


RULE = Rule("FF007", "zero-border", "note", check, __doc__)
