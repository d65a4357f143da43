"""A strided convolution reads some inputs more often than others: its gradient has a grid.

## What it does
Finds strided convolutions and average pools whose kernel is not a multiple of their stride, but for those that weigh
every phase alike all the same, or have a blur right in front that does.

## Why is this bad?
The gradient of a strided convolution is a transposed convolution with the same geometry. Saliency maps and feature
visualisations show its grid, and a discriminator hands it to its generator. A kernel smaller than the stride
leaves inputs that never get a gradient at all.

## Example
```python
nn.Conv2d(3, 64, kernel_size=3, stride=2)  # gradients reach a pixel once to four times
```

## Use instead
```python
flatfield.nn.BlurConv2d(3, 64, kernel_size=3, stride=2)  # a blur in front evens the gradient
```
or a kernel that is a multiple of the stride, which evens the overlap; shifting the input at random ("jitter") cancels
part of the grid in visualisations.

## Is the fix safe?
Before training, yes. A blur in front of a trained layer changes what it sees.

## References
Odena, Dumoulin & Olah 2016, "Artifacts in gradients"; Zhang 2019, "Making convolutional networks shift-invariant
again"
"""

from __future__ import annotations

from collections.abc import Iterator

from flatfield.network import Network
from flatfield.rules.rule import Hit, Rule, cure_class, times


def check(network: Network) -> Iterator[Hit]:
    """Uneven overlap of gathers with a stride."""
    for layer in network.layers:
        gathers = layer.operator == "Conv" or (layer.operator == "Pool" and layer.mode == "average")
        least, most = int(layer.overlap.min()), int(layer.overlap.max())
        if not gathers or least == most or network.evens_gradient(layer):
            continue
        message = (
            f"kernel {times(layer.kernel)}, stride {times(layer.stride)}: the gradient reaches an input "
            f"{least} to {most} times, with period {times(layer.stride)}"
        )
        yield Hit(
            layer,
            message,
            f"a kernel that is a multiple of the stride, or a blur in front ({cure_class('BlurConv', layer)})",
        )


RULE = Rule("FF005", "gradient-overlap", "note", check, __doc__)
