"""An image classifier: nothing upsamples, but its gradient does."""

from __future__ import annotations

from torch import Tensor, nn

from flatfield.examples.field import smooth_field
from flatfield.examples.statistics import settle_statistics


class Classifier(nn.Module):
    """Sort pictures into ten classes: (n, 3, h, w) -> (n, 10); any size from 32 x 32.

    Three convolutions 3/2 and a max pool 3/2: each one's gradient is a deconvolution 3/2 (the pool's a choice of one
    place in nine), so saliency maps have grids of 2, 4, 8 and 16 pixels (Odena et al. 2016, "Artifacts in Gradients").

    >>> import torch
    >>> tuple(Classifier()(torch.zeros(2, 3, 64, 64)).shape)
    (2, 10)
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *_step(3, 16),
            nn.MaxPool2d(3, stride=2, padding=1),
            *_step(16, 32),
            *_step(32, 64),
        )
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))

    def forward(self, picture: Tensor) -> Tensor:
        """Give the logits of a batch of pictures."""
        logits: Tensor = self.head(self.features(picture))
        return logits

    def example_inputs(self) -> tuple[Tensor, ...]:
        """Draw one smooth picture of 64 x 64."""
        return (smooth_field(3, (64, 64)),)


def _step(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()


def classifier() -> Classifier:
    """Build the classifier with statistics that fit smooth pictures.

    >>> from flatfield.examples import load
    >>> load("classifier").module.head[-1]
    Linear(in_features=64, out_features=10, bias=True)
    """
    module = Classifier()
    settle_statistics(module, lambda: smooth_field(3, (64, 64), batch=16))
    return module
