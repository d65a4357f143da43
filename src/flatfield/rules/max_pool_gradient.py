"""Max pooling with a stride: its gradient goes to one input in each window.

## What it does
Finds max pools with a stride above 1.

## Why is this bad?
The gradient of a max pool reaches only the winner of each window, so the gradient of the network is sparse in cells of
the stride's size: high-frequency noise in saliency maps and in what a discriminator teaches. Which input wins is
decided by the data, so no weight tells; the backward probe measures it.

## Example
```python
nn.MaxPool2d(2)
```

## Use instead
```python
flatfield.nn.MaxBlurPool2d(2)  # max at stride 1, then a blurred subsampling
```

## Is the fix safe?
Before training, yes. In a trained network it changes the features.

## References
Odena, Dumoulin & Olah 2016, "Artifacts in gradients"; Zhang 2019
"""

from __future__ import annotations

from collections.abc import Iterator

from flatfield.network import Network
from flatfield.rules.rule import Hit, Rule, cure_class, times


def check(network: Network) -> Iterator[Hit]:
    """Max pools that skip positions."""
    for layer in network.layers:
        if layer.operator == "Pool" and layer.mode == "max" and max(layer.stride, default=1) > 1:
            message = (
                f"max pool {times(layer.kernel)}, stride {times(layer.stride)}: "
                "the gradient reaches one input of each window, the others get nothing"
            )
            yield Hit(layer, message, f"for flat gradients: {cure_class('MaxBlurPool', layer)}, or average pooling")


RULE = Rule("FF006", "max-pool-gradient", "note", check, __doc__)
