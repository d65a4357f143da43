"""A small classifier: what gradients are taken of, and whose features judge a style."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from flatfield.lab.models.decoder import SLOPE
from flatfield.nn import BlurConv2d

DOWN = ("strided", "max-pool", "blurred")


def _block(inputs: int, outputs: int, down: str) -> nn.Sequential:
    act = nn.LeakyReLU(SLOPE)
    if down == "strided":
        return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), act)
    if down == "max-pool":
        return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), act, nn.MaxPool2d(2))
    if down == "blurred":
        return nn.Sequential(BlurConv2d(inputs, outputs, 3, stride=2, padding=1), act)
    raise ValueError(f"there is no way down {down!r}; take one of {', '.join(DOWN)}")


class Classifier(nn.Module):
    """Say which scene a picture is of: (n, 3, h, w) -> (n, classes); three blocks, each of which halves the size.

    `down` is "strided" (convolutions 3/2), "max-pool" (3x3, then pool 2/2) or "blurred" (`BlurConv2d` 3/2).

    >>> import torch
    >>> tuple(Classifier("max-pool", 5)(torch.zeros(2, 3, 32, 32)).shape)
    (2, 5)
    """

    def __init__(self, down: str, classes: int, width: int = 64) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(_block(i, o, down) for i, o in pairwise((3, width // 4, width // 2, width)))
        self.head = nn.Linear(width, classes)

    def forward(self, picture: Tensor) -> Tensor:
        """Give the logits of a batch."""
        logits: Tensor = self.head(self.features(picture)[-1].mean((2, 3)))
        return logits

    def features(self, picture: Tensor) -> list[Tensor]:
        """Give what every block sees."""
        seen = []
        for block in self.blocks:
            picture = block(picture)
            seen.append(picture)
        return seen
