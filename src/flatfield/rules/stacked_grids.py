"""Several uneven upsampling layers stand one behind the other: their grids compound.

## What it does
Finds chains of uneven upsampling layers in which the grid of the first is not provably removed before the next, and
lists the periods that arrive at the output.

## Why is this bad?
Every later layer magnifies the grid before it: three layers of stride 2 leave periods of 2, 4 and 8 pixels, each a
pattern of its own scale, and the coarse ones survive the low-pass filters that help against the fine ones.

## Example
```python
nn.Sequential(nn.ConvTranspose2d(64, 32, 3, stride=2), nn.ReLU(), nn.ConvTranspose2d(32, 3, 3, stride=2))
```

## Use instead
Flat layers throughout: `flatfield.nn.ResizeConv2d`, or `flatfield.nn.FlatConvTranspose2d`. If every layer is flat,
so is the network.

## Is the fix safe?
As for each layer alone: see FF001 and FF002.

## References
Odena, Dumoulin & Olah 2016: artifacts "at multiple scales"
"""

from __future__ import annotations

from collections.abc import Iterator

from flatfield.network import Network
from flatfield.rules.rule import Hit, Rule, times


def check(network: Network) -> Iterator[Hit]:
    """Uneven layers behind uneven layers, told at the last of each chain."""
    uneven = [layer for layer in network.layers if layer.uneven]
    carried = {layer.name: network.follow(layer) for layer in uneven}
    for last in uneven:
        chain = [layer for layer in uneven if layer is not last and last.name in carried[layer.name]]
        if not chain or any(other is not last and other.name in carried[last.name] for other in uneven):
            continue
        periods = [carried[layer.name][last.name] for layer in (*chain, last)]
        names = ", ".join(layer.name for layer in (*chain, last))
        message = (
            f"{len(periods)} uneven layers in a row ({names}): "
            f"their grids have periods {', '.join(times(p) for p in sorted(set(periods)))} behind this one"
        )
        yield Hit(last, message, "make every one of them flat: a grid left in one is magnified by the next")


RULE = Rule("FF004", "stacked-grids", "warning", check, __doc__, about_grid=True)
